from __future__ import annotations

from sn37.adapters.system.clock import SystemClock
from sn37.testing.clock_contract import ClockContract


class TestSystemClock(ClockContract):
    def clock(self) -> SystemClock:
        return SystemClock()
