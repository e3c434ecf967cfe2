"""Histograms of the time between two events."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeVar

from sn37.adapters.telemetry.metrics.metric_table import Metric
from sn37.adapters.telemetry.metrics.tallies import Tallies
from sn37.domain.events import (
    BlockScored,
    EntryFinished,
    EntryStarted,
    Event,
    RoundFinished,
    RoundOpened,
    SubmissionFetched,
    SubmissionRefused,
    SubmissionSeen,
)
from sn37.domain.ids import EntryKey, RoundKey

MAX_AWAITED = 10_000  # beginnings that are remembered of each kind; older ones are dropped
_K = TypeVar("_K", bound=Hashable)


class _Beginnings(OrderedDict[_K, float]):
    """Monotonic times at which something began that has not ended."""

    def began(self, key: _K, now: float) -> None:
        self.pop(key, None)
        self[key] = now
        if len(self) > MAX_AWAITED:
            self.popitem(last=False)


class EventTimes:
    """Observes times into tallies; what began before the program did is left out."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._commitments: _Beginnings[EntryKey] = _Beginnings()
        self._rounds: _Beginnings[RoundKey] = _Beginnings()
        self._entries: _Beginnings[tuple[RoundKey, EntryKey]] = _Beginnings()
        self._samples: _Beginnings[tuple[RoundKey, EntryKey]] = _Beginnings()  # the newest 16

    def observe(self, event: Event, now: float) -> None:
        match event:
            case SubmissionSeen(key=key):
                self._commitments.began(key, now)
            case SubmissionFetched(key=key):
                if (since := self._commitments.pop(key, None)) is not None:
                    self._tallies.observe(Metric.FETCHING, seconds=now - since)
            case SubmissionRefused(key=key):
                self._commitments.pop(key, None)
            case RoundOpened(plan=plan):
                self._rounds.began(plan.key, now)
            case RoundFinished(result=result):
                if (since := self._rounds.pop(result.key, None)) is not None:
                    label = str(result.key.competition)
                    self._tallies.observe(Metric.ROUND_TIME, label, seconds=now - since)
            case EntryStarted(round=round_, key=key):
                self._entries.began((round_, key), now)
                self._samples.pop((round_, key), None)
            case BlockScored(round=round_, key=key):
                self._samples_scored((round_, key), now)
            case EntryFinished(round=round_, result=result):
                self._samples.pop((round_, result.key), None)
                if (since := self._entries.pop((round_, result.key), None)) is not None:
                    label = str(round_.competition)
                    self._tallies.observe(Metric.SCORING, label, seconds=now - since)

    def _samples_scored(self, entry: tuple[RoundKey, EntryKey], now: float) -> None:
        if (before := self._samples.get(entry)) is not None:
            self._tallies.observe(Metric.BLOCK_TIME, seconds=now - before)
        elif (since := self._entries.get(entry)) is not None:
            self._tallies.observe(Metric.WORKER_START, seconds=now - since)
        self._samples.began(entry, now)
