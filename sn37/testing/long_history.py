"""A long record without any scoring: crowns change, challengers gather evidence, copies fail.

For tests of pages, and for benchmarks. Everything follows from the arguments.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from sn37.domain.data.batches import SampleBlock, interleave
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.reasons import Reason
from sn37.domain.round.evidence import task_scores, total_score
from sn37.domain.round.state import EntryOutcome, EntryResult, RoundResult, WeightsRecord
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.submission.submission import Submission, Verdict
from sn37.domain.weight_vector import WeightVector
from sn37.ports.state_store import StateStore
from sn37.testing.builders import (
    a_batch,
    a_block_ref,
    a_commitment,
    a_draw,
    a_model_ref,
    a_round_plan,
    a_round_result,
    a_signed_receipt,
    a_submission,
    an_artifact,
    some_samples,
)

REIGN_ROUNDS = 30  # of each champion
CHALLENGE_ROUNDS = 6  # before each coronation, in which the next champion is scored as well
GAIN = 0.012  # of each champion over the one before
_SIGNERS = 7
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_WHY = (
    (Verdict.REJECTED, Reason.RACED_OUT, "its losses so far show that it cannot win"),
    (Verdict.DUPLICATE, Reason.DUPLICATE, "same tensors as an earlier commitment"),
    (Verdict.WAITING, Reason.QUEUED, "no time was left for it in this round"),
    (Verdict.FAILED, Reason.TIMEOUT, "computed for 31.2 s, the limit is 30 s"),
    (Verdict.REJECTED, Reason.UNSAFE_FILE, "pytorch_model.bin is not an accepted file: remove it"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Miner:
    key: EntryKey
    repo: str
    skill: float  # of 1.0, its mean loss relative to the level
    noise: int  # seed of its own differences


def hotkey_of(name: str) -> Hotkey:
    """Return something that looks like an ss58 address and depends on ``name`` only."""
    number, text = int.from_bytes(sha256(name.encode()).digest() * 2), ""
    while len(text) < 47:
        number, digit = divmod(number, 58)
        text += _BASE58[digit]
    return Hotkey(f"5{text}")


async def write_long_history(
    store: StateStore,
    schedule: Schedule,
    *,
    num_rounds: int,
    num_miners: int,
    num_scored: int = 4,
    num_with_losses: int = 120,
) -> None:
    """Write finished rounds of every competition of a schedule, from its first stage on.

    Args:
        num_rounds: Of all competitions together.
        num_miners: Of all competitions together; every round lists those of its own.
        num_scored: Entries that each round scores, the champion among them.
        num_with_losses: The newest rounds of each competition have losses, draws and receipts.
    """
    timing, first = schedule.timing, schedule.stages[0].from_block
    competitions = [c.id for c in schedule.stages[0].competitions]
    begins = timing.next_sync_block(Block(max(first, timing.genesis) + 1_800))
    each, members = num_rounds // len(competitions), num_miners // len(competitions)
    writers = [
        _Writer(store, schedule, c, begins, members=members, num_scored=num_scored)
        for c in competitions
    ]
    for writer in writers:
        await store.save_submissions(writer.submissions(each))
    for number in range(each):
        for writer in writers:
            await writer.write(number, has_losses=number >= each - num_with_losses)
        sync = Block(begins + number * timing.cadence)
        shares = {w.champion(number).key.hotkey: 1 / len(writers) for w in writers}
        await store.record_weights(
            WeightsRecord(
                sync_block=sync,
                weights=WeightVector(shares),
                sent_at=Block(sync + 2),
                extrinsic=f"{sync + 2}-1",
            )
        )


class _Writer:
    """Writes the rounds of one competition."""

    def __init__(
        self,
        store: StateStore,
        schedule: Schedule,
        competition: CompetitionId,
        begins: Block,
        *,
        members: int,
        num_scored: int,
    ) -> None:
        self._store, self._schedule = store, schedule
        self._competition, self._begins = competition, begins
        self._members, self._num_scored = members, num_scored
        self._others = [
            self._miner(f"other-{n}", 600 + n, f"miner{n}/tuned-{n % 7}b", 1.04 + n / 500)
            for n in range(members)
        ]

    def submissions(self, num_rounds: int) -> Sequence[Submission]:
        """Return the submissions of all miners."""
        crowned = [self._crowned(n) for n in range(num_rounds // REIGN_ROUNDS + 2)]
        return [
            replace(
                a_submission(
                    a_commitment(
                        m.key.hotkey,
                        m.key.block,
                        competition=self._competition,
                        model=a_model_ref(repo=m.repo),
                    )
                ),
                artifact=an_artifact(),
            )
            for m in (*crowned, *self._others)
        ]

    def champion(self, number: int) -> _Miner:
        """Return the champion after a round."""
        return self._crowned(number // REIGN_ROUNDS)

    async def write(self, number: int, *, has_losses: bool) -> None:
        """Write one round."""
        sync = Block(self._begins + number * self._schedule.timing.cadence)
        key = RoundKey(self._competition, sync)
        rules = self._schedule.competition(self._competition, sync)
        if rules is None:
            return
        champion = self.champion(number)
        before = self.champion(number - 1) if number else None
        following = self._crowned(number // REIGN_ROUNDS + 1)
        rivals = [before] if before is not None and before != champion else []
        if number % REIGN_ROUNDS >= REIGN_ROUNDS - CHALLENGE_ROUNDS:
            rivals.append(following)
        scored = [champion, *rivals, *self._others[: self._num_scored - 1 - len(rivals)]]
        losses = {m.key: _losses(m, rules, number) for m in scored}
        result = self._result(key, number, champion, scored, losses, rules)
        if has_losses:
            holder = champion if before is None else before
            await self._score(key, holder, scored, losses, rules)
        await self._store.finish_round(result)

    async def _score(
        self,
        key: RoundKey,
        holder: _Miner,
        scored: Sequence[_Miner],
        losses: Mapping[EntryKey, Sequence[BlockLosses]],
        rules: Competition,
    ) -> None:
        signers = tuple(str(hotkey_of(f"signer-{n}")) for n in range(_SIGNERS))
        draws = tuple(
            a_draw(a_batch(t.name, samples=some_samples(t.num_samples, signers=signers)))
            for t in rules.tasks
        )
        entries = [m.key for m in scored]
        await self._store.open_round(
            a_round_plan(key, champion=holder.key, entries=entries, draws=draws)
        )
        for miner in scored:
            for block in losses[miner.key]:
                await self._store.append(key, miner.key, block)
            receipt = a_signed_receipt(f"{key} {miner.repo}", hotkey=hotkey_of("validator"))
            outcome = EntryOutcome(key=miner.key, verdict=Verdict.SCORED)
            await self._store.finish_entry(key, outcome, receipt)

    def _result(
        self,
        key: RoundKey,
        number: int,
        champion: _Miner,
        scored: Sequence[_Miner],
        losses: Mapping[EntryKey, Sequence[BlockLosses]],
        rules: Competition,
    ) -> RoundResult:
        rows = []
        for miner in scored:
            tasks = task_scores(losses[miner.key], rules)
            rows.append(
                EntryResult(
                    key=miner.key,
                    repo=miner.repo,
                    verdict=Verdict.SCORED,
                    detail="" if miner == champion else "0.41% of the 0.50% that are needed",
                    score=total_score(tasks),
                    tasks=tasks,
                    num_samples=sum(t.num_samples for t in rules.tasks),
                )
            )
        rows.sort(key=lambda row: (row.score, row.key))
        for n, miner in enumerate(self._others[len(scored) :]):
            verdict, reason, detail = _WHY[n % len(_WHY)]
            rows.append(
                EntryResult(
                    key=miner.key, repo=miner.repo, verdict=verdict, reason=reason, detail=detail
                )
            )
        found = a_round_result(
            key, sync=a_block_ref(key.sync_block), champion=champion.key, entries=tuple(rows)
        )
        return replace(found, is_shielded=number > 24)

    def _crowned(self, reign: int) -> _Miner:
        cadence = self._schedule.timing.cadence
        first = (reign * REIGN_ROUNDS - CHALLENGE_ROUNDS) * cadence - 1_200
        block = max(self._begins + first, 300 + reign)
        return self._miner(
            f"crowned-{reign}", block, f"team{reign % 9}/model-v{reign}", (1 - GAIN) ** reign
        )

    def _miner(self, name: str, block: int, repo: str, skill: float) -> _Miner:
        full = f"{self._competition}/{name}"
        return _Miner(
            key=EntryKey(hotkey_of(full), Block(block)),
            repo=repo,
            skill=skill,
            noise=int.from_bytes(sha256(full.encode()).digest()[:4]),
        )


def _losses(miner: _Miner, rules: Competition, number: int) -> tuple[BlockLosses, ...]:
    """Return losses that share the samples' own difficulty between miners."""
    shared = random.Random(f"{rules.id}/{number}")
    own = random.Random(miner.noise + number)
    units = {t.name: t.unit for t in rules.tasks}
    found = []
    for block in interleave(tuple((t.name, t.num_samples) for t in rules.tasks)):
        size = block.stop - block.first
        hard = [shared.lognormvariate(0, 0.35) / 1.063 for _ in range(size)]
        values = [units[block.task] * miner.skill * h * (1 + 0.03 * own.gauss(0, 1)) for h in hard]
        found.append(
            BlockLosses(
                block=SampleBlock(block.task, block.first, block.stop),
                losses=tuple(values),
                tokens=size * 90,
                seconds=0.4,
            )
        )
    return tuple(found)
