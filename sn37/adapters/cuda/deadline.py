"""A worker's time, measured by the validator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected

_Result = TypeVar("_Result")


class Deadline:
    """Wall-clock seconds left to a worker; the clock stands between ``stop`` and ``go``."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._left_s = timeout_s
        self._since = time.monotonic()

    async def run(self, step: Awaitable[_Result]) -> _Result:
        """``step`` within the time left.

        Raises:
            ModelRejected: ``timeout``.
        """
        try:
            async with asyncio.timeout(self._left_s - (time.monotonic() - self._since)):
                return await step
        except TimeoutError as error:
            raise ModelRejected(
                f"loading and scoring took more than {self._timeout_s:g} s", reason=Reason.TIMEOUT
            ) from error

    def stop(self) -> float:
        """Stop the clock; seconds since it last started."""
        lap_s = time.monotonic() - self._since
        self._left_s -= lap_s
        return lap_s

    def go(self) -> None:
        """Start it again."""
        self._since = time.monotonic()
