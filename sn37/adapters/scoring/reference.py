"""Fixed computation of known cost, which shows whether this machine runs at its normal speed."""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ITERATIONS = 100_000  # some 50 ms of one processor; needs no memory and lets other threads run
RUNS = 5
# A processor whose sibling is busy takes up to twice as long; one that is throttled or shared
# with other machines takes longer.
SLOWEST = 2.5


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall-clock time and processor time of one run, in seconds."""

    wall_s: float
    processor_s: float


@dataclass(frozen=True, slots=True)
class Pace:
    """Cost of the reference now, as a multiple of its best cost on this machine."""

    wall: float
    processor: float

    @property
    def keeps_time(self) -> bool:
        """True if a wall-clock second of work takes about one."""
        return self.wall <= SLOWEST

    @property
    def keeps_work(self) -> bool:
        """True if a second of the processor does about a second's work."""
        return self.processor <= SLOWEST


def compute() -> Cost:
    """Run the computation once; blocks."""
    began, used = time.monotonic(), time.thread_time()
    hashlib.pbkdf2_hmac("sha256", b"sn37", b"reference", ITERATIONS)
    return Cost(time.monotonic() - began, time.thread_time() - used)


class Reference:
    """Compares the cost of the computation with that of its best run so far.

    Args:
        run: The computation; tests replace it.
    """

    def __init__(self, run: Callable[[], Cost] = compute) -> None:
        self._run = run
        self._best: Cost | None = None

    async def learn(self) -> None:
        """Measure the cost at the first call; later calls do nothing."""
        if self._best is None:
            await self.pace()

    async def pace(self) -> Pace:
        """Run it a few times now, a quarter of a second in all."""
        costs = [await asyncio.to_thread(self._run) for _ in range(RUNS)]
        known = [*costs, self._best] if self._best is not None else costs
        best = Cost(min(c.wall_s for c in known), min(c.processor_s for c in known))
        self._best = best
        return Pace(
            wall=statistics.median(c.wall_s for c in costs) / max(best.wall_s, 1e-9),
            processor=statistics.median(c.processor_s for c in costs) / max(best.processor_s, 1e-9),
        )
