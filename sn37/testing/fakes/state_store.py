"""State store in memory. To simulate a restart, make another over the same ``memory``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sn37.domain.data.samples import Pool
from sn37.domain.data.sampling import manifest
from sn37.domain.ids import Block, CompetitionId, EntryKey, RoundKey, TaskName
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.records.statement import RoundRecord
from sn37.domain.round.evidence import ALL_ROUNDS
from sn37.domain.round.history import abridged
from sn37.domain.round.newcomers import newest_times
from sn37.domain.round.signers import SampleSigners
from sn37.domain.round.state import (
    Beginning,
    DrawnRows,
    EntryOutcome,
    OpenRound,
    RoundPlan,
    RoundResult,
    ValidatorState,
    WeightsRecord,
)
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.scoring.opinion import Opinion
from sn37.domain.submission.submission import Submission, Verdict
from sn37.testing.fakes.memory import Memory as Memory

if TYPE_CHECKING:
    from sn37.ports.state_store import StateStore


@dataclass(slots=True)
class FakeStateStore:
    """Store that keeps everything in ``memory``; a failure leaves it unchanged."""

    memory: Memory = field(default_factory=Memory)
    failures: list[Exception] = field(default_factory=list)  # raised once each
    closed: bool = False

    async def load(self) -> ValidatorState:
        self._check()
        m = self.memory
        rounds: dict[CompetitionId, tuple[RoundResult, ...]] = {}
        for key in sorted(m.results):
            rounds[key.competition] = (*rounds.get(key.competition, ()), m.results[key])
        return ValidatorState(
            submissions=dict(m.submissions),
            rounds=rounds,
            open_rounds={
                key: self._opened(plan)
                for key, plan in sorted(m.plans.items())
                if key not in m.results
            },
            weights=tuple(m.weights[block] for block in sorted(m.weights)),
            beginning=m.beginning,
            newcomers_s=dict(m.newcomers_s),
        )

    async def save_submissions(self, submissions: Collection[Submission]) -> None:
        self._check()
        self._save(submissions)

    async def freeze_pools(self, round_: RoundKey, pools: Mapping[TaskName, Pool]) -> None:
        self._check()
        if round_ in self.memory.plans or round_ in self.memory.results:
            raise ValueError(f"{round_} is already open or finished; its pools cannot change")
        self.memory.pools[round_] = dict(pools)

    async def pools(self, round_: RoundKey) -> Mapping[TaskName, Pool]:
        self._check()
        return dict(self.memory.pools.get(round_, {}))

    async def open_round(self, plan: RoundPlan) -> None:
        self._check()
        if plan.key not in self.memory.results:
            self.memory.plans.setdefault(plan.key, plan)

    async def screen_round(self, plan: RoundPlan) -> None:
        self._check()
        self._check_open(plan.key)
        if not self.memory.plans[plan.key].is_screened:
            self.memory.plans[plan.key] = plan

    async def append(self, round_: RoundKey, entry: EntryKey, losses: BlockLosses) -> None:
        self._check()
        self._check_open(round_)
        blocks = self.memory.journal.setdefault((round_, entry), [])
        if all(b.block != losses.block for b in blocks):
            blocks.append(losses)

    async def record_environment(
        self, round_: RoundKey, entry: EntryKey, environment: Mapping[str, str]
    ) -> None:
        self._check()
        self._check_open(round_)
        self.memory.environments.setdefault(round_, {})[entry] = dict(environment)

    async def finish_entry(
        self, round_: RoundKey, outcome: EntryOutcome, receipt: SignedReceipt | None
    ) -> None:
        self._check()
        self._check_open(round_)
        if outcome.key in self.memory.outcomes.setdefault(round_, {}):
            return
        self.memory.outcomes[round_][outcome.key] = outcome
        if outcome.verdict is not Verdict.SCORED:
            self.memory.journal.pop((round_, outcome.key), None)
        if receipt is not None:
            self.memory.receipts.setdefault(round_, []).append(receipt)

    async def record_opinion(
        self, round_: RoundKey, opinion: Opinion, receipt: SignedReceipt
    ) -> None:
        self._check()
        self._check_open(round_)
        m = self.memory
        known, held = m.opinions.setdefault(round_, {}), m.receipts.get(round_, [])
        scored = [k for k, o in m.outcomes.get(round_, {}).items() if o.verdict is Verdict.SCORED]
        if opinion.key not in scored[: len(held)]:
            raise ValueError(f"{opinion.key} has no receipt")
        if opinion.key not in known:
            known[opinion.key] = opinion
            held[scored.index(opinion.key)] = receipt

    async def opinions(self, entry: EntryKey) -> Mapping[Block, Opinion]:
        self._check()
        told = sorted(self.memory.opinions.items())
        return {key.sync_block: held[entry] for key, held in told if entry in held}

    async def finish_round(
        self,
        result: RoundResult,
        submissions: Collection[Submission] = (),
        statement: SignedReceipt | None = None,
    ) -> None:
        self._check()
        if result.key in self.memory.results:
            return
        self.memory.results[result.key] = result
        if statement is not None:
            self.memory.statements[result.key] = statement
        if result.skipped is not None and result.later is None:
            self.memory.plans.pop(result.key, None)
        self.memory.pools.pop(result.key, None)
        self._save(submissions)

    async def recorded(self, round_: RoundKey) -> OpenRound | None:
        self._check()
        plan = self.memory.plans.get(round_)
        return None if plan is None else self._opened(replace(plan, draws=()))

    async def drawn(self, round_: RoundKey) -> tuple[DrawnRows, ...]:
        self._check()
        plan = self.memory.plans.get(round_)
        return tuple(
            DrawnRows(
                task=draw.batch.task,
                method=draw.batch.method.value,
                pool_size=draw.pool_size,
                pool_digest=draw.pool_digest,
                manifest=manifest(draw.batch),
            )
            for draw in (plan.draws if plan is not None else ())
        )

    async def losses(
        self,
        competition: CompetitionId,
        entries: Collection[EntryKey],
        *,
        since: Block = ALL_ROUNDS,
    ) -> Mapping[EntryKey, Mapping[Block, tuple[BlockLosses, ...]]]:
        self._check()
        found: dict[EntryKey, dict[Block, tuple[BlockLosses, ...]]] = {e: {} for e in entries}
        for (key, entry), blocks in sorted(self.memory.journal.items(), key=lambda item: item[0]):
            if key.competition == competition and entry in found and key.sync_block >= since:
                found[entry][key.sync_block] = tuple(blocks)
        return found

    async def signers(
        self, competition: CompetitionId, *, since: Block = ALL_ROUNDS
    ) -> Mapping[Block, SampleSigners]:
        self._check()
        return {
            key.sync_block: plan.signers
            for key, plan in sorted(self.memory.plans.items())
            if key.competition == competition
            and key.sync_block >= since
            and plan.signers is not None
        }

    async def shared_rounds(
        self, competition: CompetitionId, entries: Collection[EntryKey]
    ) -> Mapping[Block, frozenset[EntryKey]]:
        self._check()
        scored = {
            key.sync_block: frozenset(
                entry
                for entry, outcome in self.memory.outcomes.get(key, {}).items()
                if entry in entries and outcome.verdict is Verdict.SCORED
            )
            for key in self.memory.results
            if key.competition == competition
        }
        return {block: found for block, found in scored.items() if len(found) > 1}

    async def receipts(self, round_: RoundKey) -> tuple[SignedReceipt, ...]:
        self._check()
        return tuple(self.memory.receipts.get(round_, ()))

    async def statement(self, round_: RoundKey) -> SignedReceipt | None:
        self._check()
        return self.memory.statements.get(round_)

    async def begin(
        self,
        beginning: Beginning,
        *,
        rounds: Sequence[RoundRecord] = (),
        submissions: Collection[Submission] = (),
    ) -> None:
        self._check()
        m = self.memory
        if m.beginning is not None or m.plans or m.results:
            raise ValueError("the state already has rounds or a beginning")
        for record in rounds:
            self._take_over(record)
        self._save(submissions)
        m.beginning = beginning

    async def record_later(self, record: RoundRecord) -> None:
        self._check()
        m, key = self.memory, record.result.key
        if record.result.later is None:
            raise ValueError(f"{key} was not scored later")
        if key in m.plans:
            if key not in m.results:
                raise ValueError(f"{key} is open")
            return
        m.pools.pop(key, None)
        self._take_over(record)

    async def record_newcomers_s(self, round_: RoundKey, seconds: float) -> None:
        self._check()
        self.memory.newcomers_s = newest_times({**self.memory.newcomers_s, round_: seconds})

    async def record_weights(self, record: WeightsRecord) -> None:
        self._check()
        self.memory.weights[record.sync_block] = record

    async def forget(
        self,
        competition: CompetitionId,
        *,
        before: Block,
        keep: Collection[EntryKey],
        at: datetime,
    ) -> Block | None:
        self._check()
        m = self.memory
        for key in [k for k in m.pools if k not in m.plans and k not in m.results]:
            if key.competition == competition and key.sync_block < before:
                del m.pools[key]
        old = [k for k in sorted(m.plans) if k.competition == competition and k.sync_block < before]
        for key in [k for k in old if k in m.results]:
            result, gone = m.results[key], m.outcomes.get(key, {}).keys() - set(keep)
            if result.forgotten_at is not None and not gone:
                continue
            if result.forgotten_at is None:
                m.results[key] = replace(abridged(result), forgotten_at=at)
                m.statements.pop(key, None)
                no, plan = frozenset[EntryKey](), m.plans[key]
                m.plans[key] = replace(plan, draws=(), listed=(), unreadable=no, unprobed=no)
            self._drop(key, gone)
            return key.sync_block
        return None

    def _take_over(self, record: RoundRecord) -> None:
        m, opened, key = self.memory, record.opened, record.result.key
        m.plans[key] = opened.plan
        m.results[key] = record.result
        m.journal |= {(key, entry): list(blocks) for entry, blocks in opened.journal.items()}
        m.outcomes[key] = dict(opened.outcomes)
        m.environments[key] = {e: dict(told) for e, told in opened.environments.items()}
        m.opinions[key] = dict(opened.opinions)
        m.receipts[key] = list(record.published.receipts)
        m.statements[key] = record.published.statement

    def _drop(self, key: RoundKey, entries: Collection[EntryKey]) -> None:
        m = self.memory
        receipts = iter(m.receipts.get(key, ()))
        kept = []
        for entry, outcome in m.outcomes.get(key, {}).items():
            if outcome.verdict is Verdict.SCORED and (receipt := next(receipts, None)):
                kept += [] if entry in entries else [receipt]
        m.receipts[key] = kept
        for entry in entries:
            m.outcomes[key].pop(entry)
            m.journal.pop((key, entry), None)
            m.environments.get(key, {}).pop(entry, None)
            m.opinions.get(key, {}).pop(entry, None)

    async def close(self) -> None:
        self.closed = True

    def _opened(self, plan: RoundPlan) -> OpenRound:
        m = self.memory
        return OpenRound(
            plan=plan,
            journal={e: tuple(b) for (k, e), b in m.journal.items() if k == plan.key},
            outcomes=dict(m.outcomes.get(plan.key, {})),
            environments=dict(m.environments.get(plan.key, {})),
            opinions=dict(m.opinions.get(plan.key, {})),
        )

    def _save(self, submissions: Collection[Submission]) -> None:
        self.memory.submissions.update({s.commitment.key: s for s in submissions})

    def _check_open(self, round_: RoundKey) -> None:
        if round_ not in self.memory.plans or round_ in self.memory.results:
            raise ValueError(f"{round_} is not open")

    def _check(self) -> None:
        if self.closed:
            raise RuntimeError("the state store is closed")
        if self.failures:
            raise self.failures.pop(0)


if TYPE_CHECKING:
    _store: StateStore = FakeStateStore()
