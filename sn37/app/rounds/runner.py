"""One round from its plan to its result: score every entry once, then decide the crown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from sn37.app.receipts.signing import ReceiptWriter
from sn37.app.receipts.statements import StatementWriter
from sn37.app.rounds.conclusion import with_origins, with_round
from sn37.app.rounds.model_fetch import fetch_step
from sn37.app.rounds.newcomers import NewcomersTime, Stopwatch
from sn37.app.rounds.outcomes import (
    changes_after,
    dependency_of,
    entry_result,
    missing_outcome,
    our_failure,
    postponed,
)
from sn37.app.rounds.past_evidence import PastEvidence, past_evidence
from sn37.app.rounds.scoring_jobs import JobBuilder
from sn37.app.rounds.screening import RoundScreening, Screener
from sn37.app.rounds.second_opinions import SecondOpinions
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.deadlines import BUSY_S, Step, step
from sn37.domain.events import BlockScored, Degraded, EntryFinished, EntryStarted, RoundFinished
from sn37.domain.ids import EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.evidence import Evidence, weigh
from sn37.domain.round.plausibility import implausibility
from sn37.domain.round.racing import is_hopeless
from sn37.domain.round.state import EntryOutcome, OpenRound, RoundPlan
from sn37.domain.round.winner import WinnerRule
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.scoring.controls import missing_bits
from sn37.domain.scoring.deadlines import WALL_FACTOR
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.scoring.worst_loss import bounded, loses_too_many, num_lost
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.submission.submission import Verdict
from sn37.ports.clock import Clock
from sn37.ports.errors import (
    ModelNotPublic,
    ModelRejected,
    ScorerUnavailable,
    StoreUnavailable,
    Unavailable,
)
from sn37.ports.scorer import Scorer
from sn37.ports.state_store import StateStore
from sn37.ports.telemetry import EventSink

DEVICE_ATTEMPTS = 3  # at one entry in one round, when the device or worker fails
STALL_ATTEMPTS = 2  # if its worker stalled, which takes minutes each time
DEVICE_PAUSE_S = 5.0


@dataclass(slots=True)
class _Progress:
    """A round under way: its rules, and the evidence of the rounds before, by sync block."""

    plan: RoundPlan
    rules: Competition
    past: PastEvidence
    reference: EntryKey | None = None  # entry that challengers are raced against
    best: Evidence = field(default_factory=dict)  # the reference's, as far as it was scored


class RoundRunner:
    """Scores the entries of a round; every finished block of samples is journalled.

    After a crash the same plan continues at the first block that was not journalled; entries that
    have an outcome are not scored again. ``environment`` describes the machine that the scorer runs
    on, and is known once it runs. ``limits_newcomers`` is false for past rounds, because entries
    would have no next round to wait for. Without ``races`` every entry is scored on all samples.
    """

    def __init__(
        self,
        *,
        keeper: StateKeeper,
        store: StateStore,
        scorer: Scorer,
        environment: Callable[[], Mapping[str, str]],
        jobs: JobBuilder,
        receipts: ReceiptWriter,
        statements: StatementWriter,
        rule: WinnerRule,
        schedule: Schedule,
        clock: Clock,
        sink: EventSink,
        limits_newcomers: bool = True,
        races: bool = True,
    ) -> None:
        self._keeper = keeper
        self._store = store
        self._scorer = scorer
        self._environment = environment
        self._jobs = jobs
        self._receipts = receipts
        self._statements = statements
        self._opinions = SecondOpinions(
            keeper=keeper,
            store=store,
            scorer=scorer,
            jobs=jobs,
            receipts=receipts,
            rule=rule,
            clock=clock,
            sink=sink,
        )
        self._screening = RoundScreening(
            keeper=keeper, screener=Screener(jobs=jobs, scorer=scorer), sink=sink
        )
        self._schedule = schedule
        self._clock = clock
        self._sink = sink
        self._limits_newcomers = limits_newcomers
        self._races = races
        self._time = NewcomersTime(keeper=keeper, schedule=schedule, clock=clock)

    async def run(self, plan: RoundPlan) -> None:
        """Score the rest of the round, decide it and record it.

        While its rows cannot be screened nothing happens; the caller tries again at the next block.
        """
        settled = await self._screening.settle(plan, self._rules(plan))
        if settled is not None:
            await self._finish(await self._score_all(settled))

    async def score(self, plan: RoundPlan) -> OpenRound:
        """Score the rest of the round without deciding it: it stays open.

        Its rows are those of another validator's manifest, which screened them.
        """
        await self._score_all(plan)
        return self._opened(plan)

    async def _score_all(self, plan: RoundPlan) -> _Progress:
        rules = self._rules(plan)
        past = await past_evidence(self._store, self._schedule, plan.key.competition, plan.compared)
        progress = _Progress(plan=plan, rules=rules, past=past)
        if plan.champion is not None:
            progress.reference = plan.champion
            progress.best = past.of(plan.champion)
        for entry in self._time.in_turn(plan):
            outcome = self._opened(plan).outcomes.get(entry) or await self._score(progress, entry)
            self._take(progress, outcome)
        return progress

    def _rules(self, plan: RoundPlan) -> Competition:
        rules = self._schedule.competition(plan.key.competition, plan.key.sync_block)
        if rules is None:
            raise ValueError(f"{plan.key}: the competition does not run at its sync block")
        return rules

    def _take(self, progress: _Progress, outcome: EntryOutcome) -> None:
        entry = outcome.key
        if outcome.verdict is Verdict.SCORED and progress.reference in (None, entry):
            opened = self._opened(progress.plan)
            progress.reference = entry
            progress.best = with_round(progress.past.of(entry), opened, entry, progress.rules)

    async def _score(self, progress: _Progress, entry: EntryKey) -> EntryOutcome:
        key, history = progress.plan.key, self._keeper.history(progress.plan.key.competition)
        submissions, opened = self._keeper.state.submissions, self._opened(progress.plan)
        outcome = missing_outcome(entry, submissions, history.entered)
        is_timed = self._limits_newcomers and self._time.is_limited(progress.plan, entry)
        if outcome is None and is_timed and entry not in opened.journal and self._time.is_over(key):
            outcome = postponed(entry, is_new=self._time.is_new(progress.plan, entry))
        attempts, watch = 0, Stopwatch(self._clock)
        # The blocks that were scored before a restart count too.
        watch.seconds = sum(block.seconds for block in opened.journal.get(entry, ()))
        while outcome is None:
            attempts += 1
            try:
                within_s = (
                    WALL_FACTOR * progress.rules.timeout_s + BUSY_S
                )  # the scorer ends it earlier
                with step(f"scoring {entry.hotkey}", within_s=within_s) as scoring:
                    outcome = await self._stream(progress, entry, scoring, watch)
            except (ScorerUnavailable, StoreUnavailable, ModelNotPublic) as error:
                self._sink.emit(
                    Degraded(what=dependency_of(error), error=str(error), retry_in_s=DEVICE_PAUSE_S)
                )
                if attempts >= _attempts_at(error) or (is_timed and self._time.is_over(key)):
                    outcome = our_failure(entry, error, num_stalls=history.stalls.get(entry, 0))
                else:
                    await self._clock.sleep(DEVICE_PAUSE_S)
            except ModelRejected as error:
                outcome = EntryOutcome(
                    key=entry, verdict=Verdict.FAILED, reason=error.reason, detail=str(error)
                )
            if is_timed:
                await self._time.record(key, watch.lap())
        await self._record(progress, outcome)
        return outcome

    async def _record(self, progress: _Progress, outcome: EntryOutcome) -> None:
        blocks = self._opened(progress.plan).journal.get(outcome.key, ())
        submission = self._keeper.state.submissions[outcome.key]
        receipt = None
        if outcome.verdict is Verdict.SCORED:
            receipt = self._receipts.write(self._opened(progress.plan), submission)
        await self._keeper.finish_entry(progress.plan.key, outcome, receipt)
        on_curve = progress.plan.premises is None
        result = entry_result(submission, outcome, blocks, progress.rules, on_curve=on_curve)
        self._sink.emit(EntryFinished(round=progress.plan.key, result=result))

    async def _stream(
        self, progress: _Progress, entry: EntryKey, scoring: Step, watch: Stopwatch
    ) -> EntryOutcome:
        """Score the blocks that are not journalled yet; stop if the outcome is decided early."""
        key, rules = progress.plan.key, progress.rules
        done = self._opened(progress.plan).journal.get(entry, ())
        commitment = self._keeper.state.submissions[entry].commitment
        with fetch_step(commitment, rules.constraints):
            job = await self._jobs.build(progress.plan, rules, commitment, skip_blocks=len(done))
        num_blocks = len(job.blocks())
        in_turn = self._time.in_turn(progress.plan)
        self._sink.emit(
            EntryStarted(
                round=key,
                key=entry,
                num_blocks=num_blocks,
                num_resumed=len(done),
                number=in_turn.index(entry) + 1,
                num_entries=len(in_turn),
            )
        )
        outcome = self._early(progress, entry, done)
        if outcome is not None or len(done) == num_blocks:
            return outcome or _complete(entry, done, rules)
        upcoming, is_first = self._upcoming(progress.plan, entry), True
        async with aclosing(watch.timed(self._scorer.score(job))) as stream:
            async for losses in stream:
                if is_first:  # this model is loaded: the disk is free for the next
                    await self._keeper.record_environment(key, entry, self._environment())
                    if upcoming is not None:
                        self._scorer.read_ahead(upcoming)
                    is_first = False
                losses = bounded(losses, rules)
                done = (*done, losses)
                scoring.move_on(f"scoring {entry.hotkey}: {len(done)} of {num_blocks} blocks done")
                await self._keeper.append(key, entry, losses)
                self._sink.emit(
                    BlockScored(round=key, key=entry, done=len(done), num_blocks=num_blocks)
                )
                if (outcome := self._early(progress, entry, done)) is not None:
                    return outcome
        return _complete(entry, done, rules)

    def _upcoming(self, plan: RoundPlan, entry: EntryKey) -> ModelArtifact | None:
        """Return the model to be scored after ``entry`` in this round."""
        outcomes, submissions = self._opened(plan).outcomes, self._keeper.state.submissions
        entries = self._time.in_turn(plan)
        later = entries[entries.index(entry) + 1 :]
        artifacts = (submissions[key].artifact for key in later if key not in outcomes)
        return next((artifact for artifact in artifacts if artifact is not None), None)

    def _early(
        self, progress: _Progress, entry: EntryKey, done: tuple[BlockLosses, ...]
    ) -> EntryOutcome | None:
        """Return the outcome if the blocks scored so far already decide it."""
        if loses_too_many(done, progress.rules):
            return EntryOutcome(
                key=entry,
                verdict=Verdict.FAILED,
                reason=Reason.NON_FINITE,
                detail=f"{num_lost(done, progress.rules)} losses of the first {len(done)} blocks "
                "are NaN or infinite, more than one in twenty of the round's samples",
            )
        if (lack := missing_bits(c for block in done for c in block.controls)) > 0:
            return EntryOutcome(
                key=entry,
                verdict=Verdict.FAILED,
                reason=Reason.UNSOUND,
                detail=f"its controls cost {lack:.0f} bits less than any distribution allows",
            )
        if not self._races or progress.reference in (None, entry) or not done:
            return None
        if self._keeper.history(progress.plan.key.competition).is_scored(
            self._keeper.state.submissions[entry]
        ):
            return None  # a contender sees all samples; the end of the round may retire it
        plan, rules = progress.plan, progress.rules
        scored = {plan.key.sync_block: weigh(done, rules)}
        origins = with_origins({}, plan, rules)
        if is_hopeless(progress.best, scored, epsilon_end=rules.epsilon.end, origins=origins):
            return EntryOutcome(key=entry, verdict=Verdict.SCORED, reason=Reason.RACED_OUT)
        return None

    async def _finish(self, progress: _Progress) -> None:
        conclusion = await self._opinions.conclude(progress.plan, progress.rules, progress.past)
        key, opened = progress.plan.key, self._opened(progress.plan)
        judged = [
            r.key for r in self._keeper.state.rounds.get(key.competition, ()) if r.skipped is None
        ]
        receipts = await self._store.receipts(key)
        previous = await self._store.statement(judged[-1]) if judged else None
        await self._keeper.finish_round(
            conclusion.result,
            changes_after(
                progress.plan,
                conclusion.outcomes,
                beaten=conclusion.beaten,
                history=self._keeper.history(key.competition),
            ),
            lambda state: self._statements.write(
                opened,
                conclusion.result,
                state.submissions,
                receipts=receipts,
                previous=previous,
            ),
        )
        self._sink.emit(RoundFinished(result=conclusion.result, holder=progress.plan.holder))

    def _opened(self, plan: RoundPlan) -> OpenRound:
        return self._keeper.state.open_rounds[plan.key]


def _attempts_at(error: Unavailable) -> int:
    """Return how often an entry is tried in one round if its last try failed with ``error``."""
    is_stall = isinstance(error, ScorerUnavailable) and error.reason is Reason.STALLED
    return STALL_ATTEMPTS if is_stall else DEVICE_ATTEMPTS


def _complete(entry: EntryKey, blocks: tuple[BlockLosses, ...], rules: Competition) -> EntryOutcome:
    """Return the outcome of an entry that was scored on all samples."""
    if too_good := implausibility(blocks, rules):
        return EntryOutcome(
            key=entry, verdict=Verdict.FAILED, reason=Reason.IMPLAUSIBLE, detail=too_good
        )
    return EntryOutcome(key=entry, verdict=Verdict.SCORED)
