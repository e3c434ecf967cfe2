"""Values of the recorded state: rounds, scores, crowns, weights, the queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from sn37.adapters.telemetry.metrics.metric_table import MAX_HOTKEYS, Metric
from sn37.adapters.telemetry.metrics.tallies import Sample
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.round_entries import current_submissions, evaluate_again
from sn37.domain.round.state import (
    NO_HISTORY,
    EntryResult,
    History,
    RoundResult,
    ValidatorState,
    WeightsRecord,
)
from sn37.domain.schedule.schedule import WINDOW_ROUNDS, Schedule
from sn37.domain.submission.submission import Submission, Verdict

# An entry with such a row in the newest round waits for its miner, not for the validator.
_GONE = frozenset({Reason.NOT_REGISTERED, Reason.REGISTERED_LATER, Reason.INACTIVE_COMPETITION})
DOWNLOAD, SCORE = "download", "score"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state at one moment. Everything in it is frozen, so any thread may read it."""

    schedule: Schedule
    state: ValidatorState = field(default_factory=ValidatorState)
    histories: Mapping[CompetitionId, History] = field(default_factory=dict)
    first: Block | None = None  # first head that this process saw
    head: Block | None = None  # the newest one

    @property
    def competitions(self) -> tuple[CompetitionId, ...]:
        """Return those that run now; before the first block, all that the schedule has.

        Never those of commitments, in which miners may write any number.
        """
        if self.head is None:
            stages = self.schedule.stages
            return tuple(sorted({c.id for stage in stages for c in stage.competitions}))
        return tuple(sorted(c.id for c in self.schedule.at(self.head)))

    @property
    def began(self) -> Block | None:
        """Return the first block of the present stage that this process saw."""
        if self.first is None or self.head is None:
            return None
        starts = [s.from_block for s in self.schedule.stages if s.from_block <= self.head]
        return max([self.first, *starts])


def samples_of(snapshot: Snapshot) -> Iterator[Sample]:
    """Yield what the state says, without the queue."""
    yield Metric.CADENCE, (), snapshot.schedule.timing.cadence
    for competition in snapshot.competitions:
        yield from _rounds(snapshot, competition)
        yield from _crown(snapshot, competition)
    yield from _weights(newest_weights(snapshot.state))


def newest_weights(state: ValidatorState) -> WeightsRecord | None:
    """Return the newest weights that the chain has."""
    return next((w for w in reversed(state.weights) if w.extrinsic is not None), None)


def _rounds(snapshot: Snapshot, competition: CompetitionId) -> Iterator[Sample]:
    label, state = str(competition), snapshot.state
    held = state.rounds.get(competition, ())
    history = snapshot.histories.get(competition, NO_HISTORY)
    if held:
        yield Metric.ROUND, (label,), held[-1].key.sync_block
    if snapshot.head is not None and snapshot.began is not None:
        # After a long stop no round can have finished yet.
        since = max([snapshot.began, *(r.key.sync_block for r in held[-1:])])
        yield Metric.ROUND_AGE, (label,), max(0, snapshot.head - since)
    missed = sum(r.skipped is not None for r in held[-WINDOW_ROUNDS:])
    yield Metric.ROUNDS_MISSED, (label,), missed
    yield Metric.ROUNDS_JUDGED, (label,), history.num_judged
    opened = [o for key, o in state.open_rounds.items() if key.competition == competition]
    yield Metric.OPEN_ENTRIES, (label,), sum(len(o.plan.entries) for o in opened)
    yield Metric.OPEN_FINISHED, (label,), sum(len(o.outcomes) for o in opened)
    newest = _newest_judged(held)
    if newest is not None:
        verdicts = Counter(row.verdict for row in newest.entries)
        for verdict in Verdict:
            yield Metric.ROUND_ENTRIES, (label, verdict.value), verdicts[verdict]
        yield Metric.POSTPONED, (label,), len(newest.postponed)
        yield from _scores(label, newest)


def _newest_judged(held: Sequence[RoundResult]) -> RoundResult | None:
    return next((r for r in reversed(held) if r.skipped is None), None)


def _scores(label: str, round_: RoundResult) -> Iterator[Sample]:
    scored = sorted(
        ((row.score, row) for row in round_.entries if row.score is not None),
        key=lambda pair: (pair[0], pair[1].key),
    )
    best: dict[Hotkey, float] = {}  # a champion may have a newer commitment in the round
    for score, row in scored:
        best.setdefault(row.key.hotkey, score)
    for hotkey, score in islice(best.items(), MAX_HOTKEYS):
        yield Metric.SCORE, (label, hotkey), score
    champions = [score for score, row in scored if row.key == round_.champion]
    challengers = [
        score for score, row in scored if row.key != round_.champion and _is_complete(row)
    ]
    if champions:
        yield Metric.CHAMPION_SCORE, (label,), champions[0]
    if challengers:
        yield Metric.CHALLENGER_SCORE, (label,), challengers[0]


def _is_complete(row: EntryResult) -> bool:
    return row.verdict is Verdict.SCORED and row.reason is None


def _crown(snapshot: Snapshot, competition: CompetitionId) -> Iterator[Sample]:
    label, history = str(competition), snapshot.histories.get(competition, NO_HISTORY)
    champion = history.champion
    yield Metric.CROWN_HELD, (label,), float(champion is not None)
    if champion is not None:
        yield Metric.CHAMPION, (label, champion.hotkey), 1.0
    if history.crowned_at is not None:
        yield Metric.CHAMPION_SINCE, (label,), history.crowned_at


def _weights(newest: WeightsRecord | None) -> Iterator[Sample]:
    shares = {} if newest is None else newest.weights.shares
    for hotkey, share in sorted(shares.items(), key=lambda i: (-i[1], i[0]))[:MAX_HOTKEYS]:
        yield Metric.WEIGHT, (hotkey,), share


class QueueLengths:
    """Lengths of the queues, counted again after submissions or rounds have changed.

    Counting takes 2 ms of a core for a thousand submissions.
    """

    def __init__(self) -> None:
        self._counted: tuple[Snapshot, tuple[Sample, ...]] | None = None

    def samples(self, snapshot: Snapshot) -> tuple[Sample, ...]:
        """Return the lengths; nothing before the first block."""
        if snapshot.head is None:
            return ()
        counted = self._counted
        if counted is None or not _has_same_queue(counted[0], snapshot):
            counted = self._counted = (snapshot, tuple(_queue(snapshot, snapshot.head)))
        return counted[1]


def _has_same_queue(one: Snapshot, other: Snapshot) -> bool:
    return (
        one.state.submissions is other.state.submissions
        and one.state.rounds is other.state.rounds
        and one.competitions == other.competitions
    )


def _queue(snapshot: Snapshot, head: Block) -> Iterator[Sample]:
    gone = frozenset(_gone(snapshot))
    waiting = Counter(
        (s.commitment.competition, DOWNLOAD if s.artifact is None else SCORE)
        for s in current_submissions(snapshot.state.submissions.values(), head)
        if s.commitment.key not in gone and _may_be_scored(s, snapshot)
    )
    for competition in snapshot.competitions:
        for what in (DOWNLOAD, SCORE):
            yield Metric.QUEUE, (str(competition), what), waiting[competition, what]


def _gone(snapshot: Snapshot) -> Iterator[EntryKey]:
    for held in snapshot.state.rounds.values():
        if (newest := _newest_judged(held)) is not None:
            yield from (row.key for row in newest.entries if row.reason in _GONE)


def _may_be_scored(submission: Submission, snapshot: Snapshot) -> bool:
    """True for an entry that is evaluated once its turn comes, and never was."""
    if submission.rejection is not None or submission.duplicate_of is not None:
        return False
    history = snapshot.histories.get(submission.commitment.competition, NO_HISTORY)
    return evaluate_again(submission, history)
