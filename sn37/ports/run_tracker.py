"""Port: a tracker of experiments, such as wandb, that shows a validator's rounds.

A run is a sequence of rows, one for each round. The record is the only source of rows, so what a
tracker lacks after an outage or a restart is computed and sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sn37.domain.canonical import JsonValue
from sn37.domain.ids import Hotkey, RoundKey, Uid

RunRow = Mapping[str, JsonValue]
RowAt = Callable[[int], RunRow]  # the row at a place of a run, from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """A run, as it was begun; it stays the same for as long as rows are added."""

    id: str  # letters and digits, unique in the tracker
    name: str  # for people
    started: str  # the part of the name that is a time
    uid: Uid | None  # of the validator, ``None`` if it was not known
    hotkey: Hotkey | None  # of the validator
    version: str  # of the program


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPart:
    """A finished round that has a row; a missed round that was scored later has two."""

    round: RoundKey
    is_later: bool = False  # the row for the later scores


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRun:
    """A run and the rounds of its rows, in order."""

    run: TrackedRun
    parts: tuple[RunPart, ...]
    is_complete: bool = False  # the tracker was seen to hold all rows, and no more are added


class RunTracker(Protocol):
    """Destination of runs."""

    async def deliver(self, run: TrackedRun, num_rows: int, row_at: RowAt) -> int:
        """Send the rows that the tracker lacks; return how many these were.

        Rows that the tracker has are neither sent again nor changed. Only a delivery that returns
        0 proves that the tracker has all rows. Bounded in time.

        Raises:
            TrackerUnavailable: It did not take them, or not all; says what to do.
        """
        ...


class RunLedger(Protocol):
    """Record of which round has which place in which run. Survives any interruption.

    Each method may raise ``StateUnavailable``.
    """

    def runs(self) -> Sequence[LedgerRun]:
        """Return all runs, the oldest first; parts of the newest one may still be added."""
        ...

    def begin(self, run: TrackedRun) -> None:
        """Begin a run, which gets the next parts."""
        ...

    def add(self, parts: Iterable[RunPart]) -> None:
        """Add parts to the newest run. They are on the disk when this returns."""
        ...

    def complete(self, run_id: str) -> None:
        """Mark a run that the tracker holds completely and that gets no more parts."""
        ...
