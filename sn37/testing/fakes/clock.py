"""Clock that jumps instead of sleeping."""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

from sn37.testing.builders import CHAIN_START

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sn37.ports.clock import Clock


@dataclass(slots=True)
class FakeClock:
    """Clock whose time passes only by sleeping, in the order of the sleepers' deadlines.

    Among several concurrent sleepers the one with the earliest deadline wakes first, at its
    deadline, as with a real clock. No real time passes.
    """

    elapsed: float = 0.0  # seconds since the start; tests may set it
    sleeps: list[float] = field(default_factory=list)  # every duration that was asked for
    _due: list[tuple[float, int]] = field(default_factory=list)  # a heap
    _turns: Iterator[int] = field(default_factory=count)

    def now(self) -> datetime:
        return CHAIN_START + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"cannot sleep {seconds} s")
        self.sleeps.append(seconds)
        mine = (self.elapsed + seconds, next(self._turns))
        heapq.heappush(self._due, mine)
        try:
            while True:
                await asyncio.sleep(0)  # another task may now sleep until an earlier time
                if self._due[0] == mine:
                    break
            self.elapsed = max(self.elapsed, mine[0])
        finally:
            self._due.remove(mine)
            heapq.heapify(self._due)


if TYPE_CHECKING:
    _clock: Clock = FakeClock()
