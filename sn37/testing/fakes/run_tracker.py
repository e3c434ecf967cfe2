"""Tracker in memory, which can be down, stop in the middle, or lose what it took."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING

from sn37.ports.errors import TrackerUnavailable
from sn37.ports.run_tracker import RowAt, RunRow, TrackedRun

if TYPE_CHECKING:
    from sn37.ports.run_tracker import RunTracker


@dataclass(slots=True)
class FakeTracker:
    """Tracker that keeps runs and rows.

    ``takes`` yields, for each delivery, how many rows it takes before it fails; ``None`` is all.
    The last rows of a delivery are lost without an error as long as ``num_swallowed`` is not used
    up.
    """

    runs: dict[str, TrackedRun] = field(default_factory=dict)
    rows: dict[str, list[RunRow]] = field(default_factory=dict)
    takes: Iterator[int | None] = field(default_factory=lambda: repeat(None))
    num_swallowed: int = 0
    num_deliveries: int = 0

    def fail(self, takes: Iterable[int | None]) -> None:
        """Fail so many deliveries, each after some rows; then work again."""
        self.takes = iter([*takes, *repeat(None, 1000)])

    async def deliver(self, run: TrackedRun, num_rows: int, row_at: RowAt) -> int:
        self.num_deliveries += 1
        room = next(self.takes)
        if room == 0:
            raise TrackerUnavailable("the tracker is down")
        known = self.runs.setdefault(run.id, run)
        if known != run:
            raise ValueError(f"run {run.id} was begun as {known}")
        held = self.rows.setdefault(run.id, [])
        missing = range(len(held), num_rows)
        for place in missing:
            if room is not None and place - missing.start >= room:
                raise TrackerUnavailable("the tracker stopped in the middle")
            held.append(json.loads(json.dumps(row_at(place), allow_nan=False)))
        lost = min(self.num_swallowed, len(missing))
        self.num_swallowed -= lost
        del held[len(held) - lost :]
        return len(missing)


if TYPE_CHECKING:
    _: RunTracker = FakeTracker()
