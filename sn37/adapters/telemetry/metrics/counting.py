"""Counters of events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sn37.adapters.telemetry.metrics.metric_table import MAX_NAMES, OTHER, Metric
from sn37.adapters.telemetry.metrics.tallies import Tallies
from sn37.domain.events import (
    Cautioned,
    Degraded,
    EntryFinished,
    Event,
    RoundFinished,
    RoundSatOut,
    RoundScoredLater,
    RowsSetAside,
    SecondOpinionGiven,
    SubmissionFetched,
    SubmissionRefused,
    SubmissionSeen,
    WeightsRevealed,
    WeightsSubmitted,
)
from sn37.domain.ids import CompetitionId, EntryKey, RoundKey
from sn37.domain.reasons import Blame
from sn37.domain.round.state import EntryResult, RoundResult
from sn37.domain.scoring.opinion import View
from sn37.domain.submission.submission import Verdict

NO_REASON = "none"
COUNTED, DROPPED = "counted", "dropped"
_FROM_ZERO = (
    Metric.SUBMISSIONS_SEEN,
    Metric.SUBMISSIONS_FETCHED,
    Metric.FETCHED_BYTES,
    Metric.WEIGHTS_SET,
)
_FROM_ZERO_BY_COMPETITION = (Metric.OWN_FAILURES, Metric.CROWN_CHANGES, Metric.ROUNDS_LATER)


class EventCounts:
    """Counts events into tallies.

    Counters that alerts watch are shown from zero on: Prometheus does not see that one rose which
    was not there before.
    """

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._champions: Mapping[CompetitionId, EntryKey | None] = {}
        for metric in _FROM_ZERO:
            tallies.add(metric, amount=0)
        for result in (COUNTED, DROPPED):
            tallies.add(Metric.REVEALS, result, amount=0)
        for view in View:
            tallies.add(Metric.OPINIONS, view.value, amount=0)

    def begin(
        self,
        competitions: Iterable[CompetitionId],
        champions: Mapping[CompetitionId, EntryKey | None],
    ) -> None:
        """Count from this state of the crowns on."""
        self._champions = dict(champions)
        for competition in competitions:
            for metric in _FROM_ZERO_BY_COMPETITION:
                self._tallies.add(metric, str(competition), amount=0)

    def count(self, event: Event) -> None:
        add = self._tallies.add
        add(Metric.EVENTS, type(event).__name__)
        match event:
            case SubmissionSeen():
                add(Metric.SUBMISSIONS_SEEN)
            case SubmissionFetched(size_bytes=size):
                add(Metric.SUBMISSIONS_FETCHED)
                add(Metric.FETCHED_BYTES, amount=size)
            case SubmissionRefused(reason=reason):
                add(Metric.SUBMISSIONS_REFUSED, reason.value)
            case RowsSetAside(round=round_, task=task, num_rows=count):
                add(Metric.ROWS_SET_ASIDE, str(round_.competition), task, amount=count)
            case EntryFinished(round=round_, result=result):
                self._count_entry(round_, result)
            case SecondOpinionGiven(opinion=opinion):
                add(Metric.OPINIONS, opinion.view.value)
            case RoundFinished(result=result):
                self._count_crown(result)
            case RoundSatOut(round=round_, reason=reason):
                add(Metric.ROUNDS_SAT_OUT, str(round_.competition), reason.value)
            case RoundScoredLater(result=result):
                add(Metric.ROUNDS_LATER, str(result.key.competition))
            case WeightsSubmitted():
                add(Metric.WEIGHTS_SET)
            case WeightsRevealed(fault=fault):
                add(Metric.REVEALS, DROPPED if fault else COUNTED)
            case Cautioned(what=what):
                add(Metric.CAUTIONS, self._bounded(Metric.CAUTIONS, what))
            case Degraded(what=what):
                add(Metric.OUTAGES, self._bounded(Metric.OUTAGES, what))

    def _count_entry(self, round_: RoundKey, result: EntryResult) -> None:
        label, reason = str(round_.competition), result.reason
        self._tallies.add(
            Metric.ENTRIES, label, result.verdict.value, reason.value if reason else NO_REASON
        )
        is_ours = reason is not None and reason.blame is Blame.OURS
        if result.verdict is Verdict.FAILED and is_ours:
            self._tallies.add(Metric.OWN_FAILURES, label)

    def _count_crown(self, result: RoundResult) -> None:
        competition, champion = result.key.competition, result.champion
        if champion is not None and champion != self._champions.get(competition):
            self._tallies.add(Metric.CROWN_CHANGES, str(competition))
        self._champions = {**self._champions, competition: champion}

    def _bounded(self, metric: Metric, name: str) -> str:
        """Return a name that this program gave, unless there are suspiciously many."""
        known = self._tallies.labels(metric)
        return name if (name,) in known or len(known) < MAX_NAMES else OTHER
