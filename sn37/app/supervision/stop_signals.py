"""Handling of SIGINT and SIGTERM, from before the first slow import to the end of the process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import FrameType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """The run is over: it reached its goal, or a signal asked it to stop."""


class StopRequest:
    """Stop request by a signal. The first signal counts; later ones have no effect.

    Until somebody watches, a signal raises ``KeyboardInterrupt``. After a request both
    signals are ignored, so that a second one cannot interrupt the shutdown.
    """

    def __init__(self) -> None:
        self._asked = False
        self._deliver: Callable[[], object] = _interrupt
        self._previous = {number: signal.getsignal(number) for number in SIGNALS}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        self._deliver = _nothing
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_IGN if self._asked else handler)

    async def watch(self) -> None:
        """Wait for a stop request.

        Raises:
            Stopped: Always; it ends the task group that waits for this.
        """
        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        self._deliver = lambda: loop.call_soon_threadsafe(asked.set)
        try:
            await asked.wait()
        finally:
            self._deliver = _nothing  # only closing is left to do
        raise Stopped

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._asked:
            self._asked = True
            self._deliver()


def _interrupt() -> None:
    raise KeyboardInterrupt


def _nothing() -> None:
    """Ignore a signal that arrives during the shutdown."""
