"""Spare time: work that runs while no round needs the validator, and is cancelled for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

_T = TypeVar("_T")


class GaveWay(Exception):
    """Work in spare time was cancelled or not started, because a round has priority."""


class SpareTime:
    """Runner of one piece of work at a time, which a round cancels when it is read or scored.

    The work must tolerate a cancellation at any instruction, like everything that a signal may
    end.
    """

    def __init__(self) -> None:
        self._num_rounds = 0  # rounds being read or scored, or waiting for work to give way
        self._work: asyncio.Task[Any] | None = None

    @asynccontextmanager
    async def withheld(self) -> AsyncIterator[None]:
        """Open a context without spare time, once other work has given way."""
        self._num_rounds += 1
        try:
            if self._work is not None:
                self._work.cancel()
                await asyncio.wait({self._work})
            yield
        finally:
            self._num_rounds -= 1

    async def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do the work, unless a round needs the validator.

        Raises:
            GaveWay: A round needed the validator.
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
            if not task.done():  # the caller was cancelled
                task.cancel()
                await asyncio.wait({task})
        if task.cancelled():
            raise GaveWay
        return task.result()
