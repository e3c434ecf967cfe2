"""Contract tests for every clock."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sn37.ports.clock import Clock


class ClockContract(ABC):
    """Subclass it in the adapter's tests, in a class whose name starts with ``Test``."""

    @abstractmethod
    def clock(self) -> Clock:
        """Return a clock; the tests let it sleep for a few milliseconds at most."""

    def test_now_is_aware_and_in_utc(self) -> None:
        assert self.clock().now().utcoffset() == timedelta(0)

    def test_monotonic_never_goes_backwards(self) -> None:
        async def readings() -> list[float]:
            clock = self.clock()
            seen = [clock.monotonic()]
            for _ in range(5):
                await clock.sleep(0)
                seen.append(clock.monotonic())
            return seen

        seen = asyncio.run(readings())
        assert seen == sorted(seen)

    def test_sleep_lasts_at_least_as_long_as_asked(self) -> None:
        async def slept() -> float:
            clock = self.clock()
            before = clock.monotonic()
            await clock.sleep(0.005)
            return clock.monotonic() - before

        assert asyncio.run(slept()) >= 0.005

    def test_others_run_while_one_sleeps(self) -> None:
        async def order() -> list[str]:
            clock = self.clock()
            seen: list[str] = []

            async def other() -> None:
                seen.append("other")

            task = asyncio.create_task(other())
            await clock.sleep(0)
            seen.append("sleeper")
            await task
            return seen

        assert asyncio.run(order()) == ["other", "sleeper"]

    def test_sleep_can_be_cancelled(self) -> None:
        async def cancelled() -> None:
            task = asyncio.create_task(self.clock().sleep(3600))
            await asyncio.sleep(0)
            task.cancel()
            await task

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancelled())
