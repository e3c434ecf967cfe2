"""Counts and times since the start. One thread writes them, and any thread may read them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sn37.adapters.telemetry.metrics.metric_table import Metric


@dataclass(frozen=True, slots=True)
class Distribution:
    """Observed times: how many fell into each bucket, and their sum in seconds."""

    counts: tuple[int, ...]  # one for each bound, and one beyond the last
    sum_s: float = 0.0

    def plus(self, seconds: float, bounds: tuple[float, ...]) -> Distribution:
        place = bisect_left(bounds, seconds)
        counts = tuple(count + (n == place) for n, count in enumerate(self.counts))
        return replace(self, counts=counts, sum_s=self.sum_s + seconds)


Value = float | Distribution
# A value with those of its metric's labels.
Sample = tuple[Metric, tuple[str, ...], Value]


class Tallies:
    """Counters and histograms by labels.

    Values are immutable and replaced one by one. A copy of the dictionary of a metric is one step
    of the interpreter, so a reader needs no lock and never makes the writer wait.
    """

    def __init__(self) -> None:
        self._counts: dict[Metric, dict[tuple[str, ...], float]] = {}
        self._times: dict[Metric, dict[tuple[str, ...], Distribution]] = {}

    def add(self, metric: Metric, *labels: str, amount: float = 1.0) -> None:
        """Raise a counter; by 0, to show it before its first event."""
        counts = self._counts.setdefault(metric, {})
        counts[labels] = counts.get(labels, 0.0) + amount

    def observe(self, metric: Metric, *labels: str, seconds: float) -> None:
        """Add one time to a histogram."""
        bounds = metric.value.bounds
        times = self._times.setdefault(metric, {})
        before = times.get(labels, Distribution((0,) * (len(bounds) + 1)))
        times[labels] = before.plus(seconds, bounds)

    def labels(self, metric: Metric) -> frozenset[tuple[str, ...]]:
        """Return the labels that a counter has so far."""
        return frozenset(self._counts.get(metric, {}))

    def samples(self) -> Iterator[Sample]:
        for metric, counts in self._counts.copy().items():
            for labels, count in counts.copy().items():
                yield metric, labels, count
        for metric, times in self._times.copy().items():
            for labels, distribution in times.copy().items():
                yield metric, labels, distribution
