"""Screening of a round's draw by the competition's base model, which sets odd rows aside.

Screening runs before any entry is scored, so no model's losses on the rows are known yet. The
base model runs like an entry: in the worker's sandbox, with the round's own methods.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from sn37.app.rounds.scoring_jobs import JobBuilder
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.deadlines import BUSY_S, step
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.sampling import manifest_digest
from sn37.domain.data.screening import Screening, kept_rows, odd_rows, screening_of
from sn37.domain.events import Cautioned, Degraded, Dependency, Event, RoundSatOut, RowsSetAside
from sn37.domain.ids import BLOCK_SECONDS, RoundKey, TaskName
from sn37.domain.known_facts import known
from sn37.domain.printable import one_line
from sn37.domain.reasons import Reason
from sn37.domain.round.signers import signers_of
from sn37.domain.round.state import RoundPlan, RoundResult, TaskDraw
from sn37.domain.schedule.competition import BaseModelRef, Competition
from sn37.domain.scoring.deadlines import WALL_FACTOR
from sn37.domain.scoring.worst_loss import bounded
from sn37.ports.errors import ModelRejected, PortError, ScorerUnavailable, StoreUnavailable
from sn37.ports.scorer import Scorer
from sn37.ports.telemetry import EventSink

# Attempts per round, one block apart. Then the round is sat out, as without its data. If it were
# scored without screening, an attacker that can block the base model could choose which rounds
# have odd rows.
ATTEMPTS = 10
SHOWN_ROWS = 20  # ids per reason in the event about rows set aside
NOT_SCREENED = (StoreUnavailable, ScorerUnavailable, ModelRejected)  # all the validator's fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """Draws without odd rows, and the losses by which the odd rows were found."""

    draws: tuple[TaskDraw, ...]
    screenings: Mapping[TaskName, Screening]


class Screener:
    """Screener that scores the base model."""

    def __init__(self, *, jobs: JobBuilder, scorer: Scorer) -> None:
        self._jobs = jobs
        self._scorer = scorer

    async def screen(self, rules: Competition, draws: Sequence[TaskDraw]) -> Screened:
        """Return the draws with odd rows replaced by rows of the reserve.

        It takes as long as scoring an entry on all rows.

        Raises:
            StoreUnavailable: The base model or the tokenizer cannot be fetched.
            ScorerUnavailable: This machine cannot score now.
            ModelRejected: The base model cannot be scored.
        """
        batches = tuple(
            replace(d.batch, samples=d.batch.samples + d.reserve.samples)
            for d in draws
            if d.reserve is not None
        )
        losses = await self._losses(rules, batches)
        screenings = {
            d.batch.task: screening_of(b.samples, d.reserve.cap, losses[b.task])
            for b in batches
            for d in draws
            if d.batch.task == b.task and d.reserve is not None
        }
        return Screened(
            draws=tuple(_cut(draw, screenings, rules) for draw in draws), screenings=screenings
        )

    async def _losses(
        self, rules: Competition, batches: tuple[TaskBatch, ...]
    ) -> Mapping[TaskName, Sequence[float]]:
        """Return the loss of each sample; a NaN counts the same as for an entry."""
        losses: defaultdict[TaskName, list[float]] = defaultdict(list)
        with step(f"fetching {_base(rules).repo}", within_s=WALL_FACTOR * BUSY_S):
            job = await self._jobs.build_base(rules, batches)
        with step("scoring the base model", within_s=WALL_FACTOR * job.timeout_s + BUSY_S) as doing:
            async with aclosing(self._scorer.score(job)) as stream:
                async for block in stream:
                    losses[block.block.task] += bounded(block, rules).losses
                    doing.move_on()
        return losses


def _cut(draw: TaskDraw, screenings: Mapping[TaskName, Screening], rules: Competition) -> TaskDraw:
    if draw.reserve is None:
        return draw
    rows = draw.batch.samples + draw.reserve.samples
    kept = kept_rows(
        screenings[draw.batch.task],
        len(draw.batch.samples),
        _base(rules).max_deviations,
    )
    samples = tuple(rows[n] for n in kept)
    return replace(draw, batch=replace(draw.batch, samples=samples), reserve=None)


def _base(rules: Competition) -> BaseModelRef:
    return known(rules.base_model, "there is a reserve, or a screening")


class RoundScreening:
    """Decides once, before the first entry, on which rows a round is scored."""

    def __init__(self, *, keeper: StateKeeper, screener: Screener, sink: EventSink) -> None:
        self._keeper = keeper
        self._screener = screener
        self._sink = sink
        self._num_attempts: defaultdict[RoundKey, int] = defaultdict(int)

    async def settle(self, plan: RoundPlan, rules: Competition) -> RoundPlan | None:
        """Return the plan with the final rows, or ``None`` if the base model cannot be scored.

        Then the round stays open for another attempt, until it is sat out.
        """
        if plan.is_screened:
            return plan
        try:
            screened = await self._screener.screen(rules, plan.draws)
        except NOT_SCREENED as error:
            await self._put_off(plan, error)
            return None
        settled = replace(
            plan,
            draws=screened.draws,
            manifest_digest=manifest_digest(d.batch for d in screened.draws),
            signers=signers_of(d.batch for d in screened.draws),
            screenings=screened.screenings,
        )
        await self._keeper.screen_round(settled)
        for event in _events(plan.key, settled, rules):
            self._sink.emit(event)
        return settled

    async def _put_off(self, plan: RoundPlan, error: PortError) -> None:
        key = plan.key
        self._num_attempts[key] += 1
        if self._num_attempts[key] < ATTEMPTS:
            self._sink.emit(
                Degraded(
                    what=Dependency.BASE_MODEL, error=str(error), retry_in_s=float(BLOCK_SECONDS)
                )
            )
            return
        del self._num_attempts[key]
        reason = _reason(error)
        await self._keeper.finish_round(RoundResult(key=key, sync=plan.sync, skipped=reason))
        detail = f"the base model gives no losses: {error}"
        self._sink.emit(RoundSatOut(round=key, reason=reason, detail=detail))


def _reason(error: PortError) -> Reason:
    if isinstance(error, StoreUnavailable):
        return Reason.HUB_UNAVAILABLE
    return Reason.DEVICE


def _events(key: RoundKey, plan: RoundPlan, rules: Competition) -> Iterator[Event]:
    """Yield events on the odd rows of the draw, and on those without a replacement."""
    for draw in plan.draws:
        task = draw.batch.task
        screening = (plan.screenings or {}).get(task)
        if screening is None:
            continue
        count, deviations = len(draw.batch.samples), _base(rules).max_deviations
        kept = set(kept_rows(screening, count, deviations))
        gone, num_left = defaultdict[str, list[str]](list), 0
        for position, odd in odd_rows(screening, deviations).items():
            if position in kept:
                num_left += 1
            elif position < count:
                gone[odd.why].append(screening.rows[position][0])
        for why, ids in sorted(gone.items()):
            yield RowsSetAside(
                round=key,
                task=task,
                why=why,
                num_rows=len(ids),
                row_ids=tuple(map(one_line, ids[:SHOWN_ROWS])),
            )
        if num_left:
            yield Cautioned(
                what="data",
                advice=f"{key}: {num_left} rows of "
                f"{task} that are odd for the base model stay, because no other rows are left",
            )
