"""What may be done while no round needs the validator, and gives way as soon as one does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

_T = TypeVar("_T")


class GaveWay(Exception):
    """Work in spare time was cancelled, or not begun, because a round comes first."""


class SpareTime:
    """One piece of work at a time. A round that wants to be read or scored has it cancelled.

    Work has to be written so that it may be cancelled at any instruction, like everything that a
    signal may end.
    """

    def __init__(self) -> None:
        self._num_rounds = 0  # that are being read or scored, or wait for work to give way
        self._work: asyncio.Task[Any] | None = None

    @asynccontextmanager
    async def withheld(self) -> AsyncIterator[None]:
        """While this is open there is no spare time. It opens once other work has given way."""
        self._num_rounds += 1
        try:
            if self._work is not None:
                self._work.cancel()
                await asyncio.wait({self._work})
            yield
        finally:
            self._num_rounds -= 1

    async def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do the work, unless a round comes first.

        Raises:
            GaveWay: A round did.
        """
        if self._num_rounds:
            work.close()
            raise GaveWay
        task: asyncio.Task[_T] = asyncio.create_task(work)
        self._work = task
        try:
            await asyncio.wait({task})
        finally:
            self._work = None
            if not task.done():  # whoever waits for it is cancelled
                task.cancel()
                await asyncio.wait({task})
        if task.cancelled():
            raise GaveWay
        return task.result()
