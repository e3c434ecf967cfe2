"""Actor that scores the rounds that this validator missed, while no other round needs it.

The samples are from another validator's manifest, the losses are our own. They become evidence in
rounds that are opened later. No past verdict changes, because verdicts are signed, and the
weights on chain follow from them. docs/decisions/0056 has the reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from sn37.app.actors.spare_time import GaveWay, SpareTime
from sn37.app.cold_start.rejudge import MakeRunner, OnlyOutages
from sn37.app.missed.late_plans import PAIR, LatePlanner
from sn37.app.receipts.statements import StatementWriter
from sn37.app.rounds.outcomes import is_our_failure, later_result
from sn37.app.rounds.scoring_jobs import JobBuilder
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.heads import Subscription
from sn37.domain.events import Cautioned, RoundScoredLater
from sn37.domain.ids import Block, Hotkey, RoundKey
from sn37.domain.known_facts import known
from sn37.domain.printable import one_line
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.records.statement import RoundRecord, SignedRound
from sn37.domain.round.missed import missed_rounds, num_left_today
from sn37.domain.round.state import Beginning, ColdStart, OpenRound, ScoredLater, ValidatorState
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import Unavailable
from sn37.ports.model_store import ModelStore
from sn37.ports.receipt_source import ReceiptSource
from sn37.ports.state_store import StateStore
from sn37.ports.telemetry import EventSink

WHAT = "missed rounds"  # name for operators
# An hour after an unsuccessful attempt. By then another validator may have published, and a host
# or source that was down may answer.
RETRY_BLOCKS = 300
MAX_SCORINGS = 3  # attempts per round when the device or the models fail
MAX_CAUTIONS = 500  # remembered, so that none is repeated
SCORED_LATER = {"scored": "later"}  # in the environment of receipts

OpenScratch = Callable[[], AbstractAsyncContextManager[StateStore]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LateScoring:
    """Means to score a planned round."""

    models: ModelStore
    runner: MakeRunner
    environment: Callable[[], Mapping[str, str]]
    statements: StatementWriter
    open_scratch: OpenScratch  # opens a state beside the validator's own, which survives a kill
    drop_scratch: Callable[[], None]

    async def score(self, store: StateStore, keeper: StateKeeper, sink: EventSink) -> OpenRound:
        """Score the rest of the round that is open in a scratch state.

        Args:
            keeper: Of the validator's own state, which decides which models stay on disk.
        """
        scratch = StateKeeper(store)
        await scratch.load()
        (opened,) = scratch.state.open_rounds.values()
        runner = self.runner(
            keeper=scratch,
            store=store,
            jobs=JobBuilder(self.models, keeper),
            sink=OnlyOutages(sink),
            environment=lambda: {**self.environment(), **SCORED_LATER},
            limits_newcomers=False,
            races=False,
        )
        return await runner.score(opened.plan)


class MissedRounds:
    """Actor that scores missed rounds; idle without a place where other validators publish.

    It plans and scores one round at a time in a separate state. So a live round, a signal or a
    kill loses at most the current block of samples, and a partly scored round does not count. The
    round is recorded in one step while no round of its competition is open, because a verdict
    may depend only on records from before its round was opened.
    """

    def __init__(
        self,
        *,
        planner: LatePlanner,
        scoring: LateScoring,
        keeper: StateKeeper,
        spare: SpareTime,
        heads: Subscription,
        schedule: Schedule,
        sink: EventSink,
    ) -> None:
        self._planner = planner
        self._scoring = scoring
        self._keeper = keeper
        self._spare = spare
        self._heads = heads
        self._schedule = schedule
        self._sink = sink
        self._not_before: dict[RoundKey, Block] = {}
        self._num_scorings: dict[RoundKey, int] = {}  # unsuccessful ones
        self._begun: RoundKey | None = None  # in the scratch state
        self._has_looked = False  # has checked for a round left by an earlier process
        self._cautioned: set[str] = set()

    async def run(self) -> None:
        async for head in self._heads:
            if not self._planner.is_possible:
                continue
            try:
                await self._use(head.number)
            except GaveWay:
                continue  # the scored part is kept
            except Unavailable as error:
                self._caution(f"a missed round cannot be scored yet: {error}")

    async def _use(self, head: Block) -> None:
        """Score the newest missed round that can be scored, if no round needs the device."""
        if self._keeper.state.open_rounds or not (due := self._due(head)):
            return
        await self._look(due)
        if self._begun is None:
            offers = await self._spare.run(self._planner.offers(self._caution))
            for key in (k for k in due if k in offers):
                if await self._begin(key, offers[key], head):
                    break
        if self._begun is not None:
            await self._finish(self._begun, head)

    def _due(self, head: Block) -> tuple[RoundKey, ...]:
        found = set[RoundKey]()
        for rules in self._schedule.at(head):
            rounds = self._keeper.state.rounds.get(rules.id, ())
            if num_left_today(rounds, head=head) > 0:
                found |= set(
                    missed_rounds(rounds, competition=rules.id, schedule=self._schedule, head=head)
                )
        self._not_before = {k: b for k, b in self._not_before.items() if k in found}
        self._num_scorings = {k: n for k, n in self._num_scorings.items() if k in found}
        due = (
            key
            for key in found
            if self._not_before.get(key, head) <= head
            and self._num_scorings.get(key, 0) < MAX_SCORINGS
        )
        return tuple(sorted(due, key=lambda k: (-k.sync_block, k.competition)))

    async def _look(self, due: Sequence[RoundKey]) -> None:
        """Continue with a round that was begun, also by an earlier process, while it is wanted."""
        if not self._has_looked:
            async with self._scoring.open_scratch() as store:
                state = await store.load()
            self._begun = self._left_behind(state)
            self._has_looked = True
        if self._begun not in due:
            self._drop()

    def _left_behind(self, state: ValidatorState) -> RoundKey | None:
        """Return the round in a scratch state, if it belongs to the current schedule."""
        if state.beginning is None or len(state.open_rounds) != 1:
            return None
        (opened,) = state.open_rounds.values()
        key, batches = opened.plan.key, [draw.batch for draw in opened.plan.draws]
        rules = self._schedule.competition(key.competition, key.sync_block)
        held = [(b.task, b.method, len(b.samples)) for b in batches]
        due = [(t.name, t.method, t.num_samples) for t in rules.tasks] if rules else None
        return key if held == due else None

    async def _begin(self, key: RoundKey, sources: Sequence[ReceiptSource], head: Block) -> bool:
        """Plan a round; return whether it can be scored now."""
        try:
            planned = await self._spare.run(self._planner.plan(key, sources, tell=self._caution))
        except Unavailable:
            self._not_before[key] = Block(head + RETRY_BLOCKS)
            raise
        if planned is None:
            self._not_before[key] = Block(head + RETRY_BLOCKS)
            return False
        self._drop()
        known = self._keeper.state.submissions
        async with self._scoring.open_scratch() as store:
            await store.begin(
                Beginning(way=ColdStart.MANIFESTS, block=head, source=planned.source),
                submissions=[known[entry] for entry in planned.plan.entries],
            )
            await store.open_round(planned.plan)
        self._begun = key
        return True

    async def _finish(self, key: RoundKey, head: Block) -> None:
        async with self._scoring.open_scratch() as store:
            beginning = known(
                (await store.load()).beginning, "it was recorded before the round was opened"
            )
            source = known(beginning.source, "the records of a missed round are a validator's")
            opened = await self._spare.run(self._scoring.score(store, self._keeper, self._sink))
            receipts = await store.receipts(key)
        if (problem := _problem(opened)) is not None:
            self._num_scorings[key] = self._num_scorings.get(key, 0) + 1
            self._not_before[key] = Block(head + RETRY_BLOCKS)
            self._drop()
            where = str(key)
            self._caution(f"{where} was missed and cannot be scored now: {problem}")
            return
        if all(k.competition != key.competition for k in self._keeper.state.open_rounds):
            await self._record(opened, receipts, source=source, head=head)
            self._drop()

    async def _record(
        self,
        opened: OpenRound,
        receipts: tuple[SignedReceipt, ...],
        *,
        source: Hotkey,
        head: Block,
    ) -> None:
        key, state = opened.plan.key, self._keeper.state
        rules = known(
            self._schedule.competition(key.competition, key.sync_block), "it was planned by them"
        )
        rounds = state.rounds.get(key.competition, ())
        judged = (r.key.sync_block for r in rounds if r.skipped is None)
        result = later_result(
            opened,
            rules,
            state.submissions,
            skipped=next((r.skipped for r in rounds if r.key == key), None),
            later=ScoredLater(source=source, after=max(judged, default=Block(0)), at=head),
        )
        statement = self._scoring.statements.write(
            opened, result, state.submissions, receipts=receipts, previous=None
        )
        published = SignedRound(key=key, statement=statement, receipts=receipts)
        await self._keeper.record_later(
            RoundRecord(opened=opened, result=result, published=published)
        )
        self._sink.emit(RoundScoredLater(result=result))

    def _drop(self) -> None:
        self._scoring.drop_scratch()
        self._begun = None

    def _caution(self, advice: str) -> None:
        if advice not in self._cautioned:
            if len(self._cautioned) >= MAX_CAUTIONS:
                self._cautioned.clear()
            self._cautioned.add(advice)
            self._sink.emit(Cautioned(what=WHAT, advice=one_line(advice)))


def _problem(opened: OpenRound) -> str | None:
    """Return why a round whose entries all have an outcome is not evidence, if so.

    After an outage of the validator the round is tried again, so that the set of entries does not
    depend on this host. An entry that failed by its own fault is left out without consequences,
    because live rounds judge it.
    """
    ours = [o.detail for o in opened.outcomes.values() if is_our_failure(o)]
    if ours:
        return ours[0]
    num_scored = sum(o.verdict is Verdict.SCORED for o in opened.outcomes.values())
    return f"{num_scored} of its entries could be scored" if num_scored < PAIR else None
