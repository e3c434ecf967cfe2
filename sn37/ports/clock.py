"""Port: local time, as opposed to the chain's time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Local time, for pacing, deadlines and records only. Rules are written in blocks."""

    def now(self) -> datetime:
        """Return the wall-clock time, timezone-aware UTC. For records, not for decisions."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary origin; never goes backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Suspend for at least ``seconds`` (>= 0); cancellable."""
        ...
