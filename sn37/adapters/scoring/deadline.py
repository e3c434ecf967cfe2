"""A worker's time limits, stage by stage, measured by the validator.

The computing time of the model counts: seconds in which its worker used a processor or, once it
is loaded on a GPU without other users, wall-clock seconds. A worker that computes nothing is
ended by wall-clock time alone, which blames nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from sn37.adapters.scoring.usage import Reading
from sn37.domain.scoring.deadlines import STILL_FACTOR, WALL_FACTOR, Deadlines, Stage

BEAT_S = 0.2
LONGEST_GAP_S = 1.0  # between two beats; a longer gap means that this process was stopped too

_Result = TypeVar("_Result")


class How(StrEnum):
    """The way in which a worker ran out of time."""

    COMPUTED = "computed"  # used up its time
    STOOD_STILL = "stood still"  # neither ran nor waited for a processor
    STARVED = "waited for a processor"  # most of the time


class Overrun(Exception):
    """A worker has run out of time. ``blame`` decides who is at fault."""

    def __init__(self, how: How, *, stage: Stage, limit_s: float, by_device: bool) -> None:
        super().__init__(f"{stage} {how} for more than {limit_s:.0f} s")
        self.how = how
        self.by_device = by_device  # most of the computing time was the device's


class Gauge(Protocol):
    """See ``usage.Meter``."""

    async def read(self) -> Reading: ...


@dataclass(slots=True)
class _Tally:
    computed_s: float = 0.0
    of_device_s: float = 0.0
    still_s: float = 0.0
    wall_s: float = 0.0

    def add(self, reading: Reading, wall_s: float, *, on_device: bool) -> None:
        ran = wall_s if on_device else min(wall_s, reading.ran_s)
        self.computed_s += ran
        self.of_device_s += wall_s if on_device else 0.0
        self.still_s += max(0.0, wall_s - max(ran, reading.runnable_s))
        self.wall_s += wall_s

    def over(self, limit_s: float) -> tuple[How, float] | None:
        """Return which limit was exceeded, and its seconds."""
        for how, spent, factor in (
            (How.COMPUTED, self.computed_s, 1.0),
            (How.STOOD_STILL, self.still_s, STILL_FACTOR),
            (How.STARVED, self.wall_s, WALL_FACTOR),
        ):
            if spent >= factor * limit_s:
                return how, factor * limit_s
        return None


class Deadline:
    """The time left to a worker, of its stage and of the whole job; paused from ``stop`` to ``go``.

    A worker gains nothing by a false stage: stages only move forward, and all of them together
    have the job's time.
    """

    def __init__(
        self,
        limits: Deadlines,
        gauge: Gauge,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limits = limits
        self._gauge = gauge
        self._now = now
        self._sleep = sleep
        self._stage = Stage.PREPARING
        self._num_scored = 0
        self._in_stage = _Tally()
        self._in_all = _Tally()
        self._since = self._lap_since = now()
        self._unread_s = 0.0  # wall-clock seconds since the gauge was read

    @property
    def stage(self) -> Stage:
        return self._stage

    def enter(self, stage: Stage) -> None:
        """Record the worker's report that it has reached a later stage."""
        self._stage, self._in_stage = stage, _Tally()

    def block_done(self) -> None:
        """Record that a block has been scored; the next one has its own time."""
        self._num_scored += 1
        self.enter(Stage.SCORING)

    async def run(self, step: Awaitable[_Result]) -> _Result:
        """Return the result of ``step`` if it ends within the time left.

        Raises:
            Overrun: No time is left.
        """
        task = asyncio.ensure_future(step)
        try:
            while True:
                self._check()
                await self._beat(task)
                if task.done():
                    return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def stop(self) -> float:
        """Pause the clock; return the seconds since it was last started."""
        self._tick()
        return self._now() - self._lap_since

    def go(self) -> None:
        """Start the clock again."""
        self._since = self._lap_since = self._now()

    async def _beat(self, task: asyncio.Future[_Result]) -> None:
        """Wait for the task for a short time, and count the time used meanwhile."""
        pause = asyncio.ensure_future(self._sleep(BEAT_S))
        try:
            either: tuple[asyncio.Future[_Result] | asyncio.Future[None], ...] = (task, pause)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
        self._tick()
        if self._unread_s < BEAT_S and task.done():
            return  # its time is counted with the next reading
        reading, wall_s = await self._gauge.read(), self._unread_s
        self._unread_s = 0.0
        # Reading files and encoding text do not use the device.
        on_device = reading.owns_device and not self._stage.is_before(Stage.CHECKING)
        for tally in (self._in_stage, self._in_all):
            tally.add(reading, wall_s, on_device=on_device)

    def _tick(self) -> None:
        now = self._now()
        self._unread_s += min(now - self._since, LONGEST_GAP_S)
        self._since = now

    def _check(self) -> None:
        stage_s = self._limits.of(self._stage, self._num_scored)
        for tally, limit_s in ((self._in_stage, stage_s), (self._in_all, self._limits.total_s)):
            if (passed := tally.over(limit_s)) is not None:
                how, after_s = passed
                raise Overrun(
                    how,
                    stage=self._stage,
                    limit_s=after_s,
                    by_device=2 * tally.of_device_s > tally.computed_s,
                )
