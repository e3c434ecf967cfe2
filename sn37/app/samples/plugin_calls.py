"""Calls into plug-ins, which are other people's code: they may raise, lie or hang.

Each call runs in a daemon thread with its own event loop. For an installed plug-in this thread
reads the answer of its process, and ends the process at the deadline. A plug-in that is an object
of this program runs in the thread, so code that blocks its loop blocks nothing else. Every fault
becomes ``DatasetUnavailable``, one line that names the plug-in; the validator skips the round and
goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Generic, ParamSpec, TypeVar

from sn37.domain.data.vetting import ContractBroken
from sn37.domain.printable import one_line
from sn37.ports.errors import DatasetUnavailable, Rejected

log = logging.getLogger(__name__)

DEFECT = "a defect of the plug-in"
GRACE_S = 5.0  # for a cancelled call to free what it holds

_T = TypeVar("_T")
_P = ParamSpec("_P")


class PluginCalls:
    """Makes the calls of one validator, and remembers those that did not return."""

    def __init__(self, *, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._stuck: dict[str, Thread] = {}  # by data set

    async def call(
        self,
        name: str,
        work: Callable[[], Coroutine[object, object, _T]],
        *,
        answers: tuple[type[Rejected], ...] = (),
    ) -> _T:
        """Return the result of ``work()`` for the data set called ``name``.

        Args:
            answers: Errors that it may raise besides ``DatasetUnavailable``; raised unchanged.

        Raises:
            DatasetUnavailable: It raised another error, or did not return before the deadline.
        """
        if (stuck := self._stuck.get(name)) is not None and stuck.is_alive():
            raise DatasetUnavailable(
                f"data set {name}: an earlier call still hangs; a restart ends it"
            )
        call = _Call(work)
        thread = Thread(target=call.run, name=f"data set {name}", daemon=True)
        thread.start()
        waiting = asyncio.wrap_future(call.outcome)
        try:
            done, _ = await asyncio.wait([waiting], timeout=self._deadline_s)
        finally:
            if not waiting.done():
                call.cancel()
                await asyncio.wait([waiting], timeout=GRACE_S)
            if not waiting.done():
                self._stuck[name] = thread
                waiting.cancel()
            elif not waiting.cancelled():
                waiting.exception()  # mark as retrieved; the result of a cancelled call is ignored
        if not done:
            raise DatasetUnavailable(
                f"data set {name}: no answer within {self._deadline_s:g} s; the call was ended"
            )
        return _result(name, waiting, answers)


def defect(name: str, error: BaseException) -> str:
    """Return a line about an error that shows a defect of the plug-in."""
    said = one_line(str(error))
    what = said if isinstance(error, ContractBroken) else f"{type(error).__name__}: {said}"
    return f"data set {name}: {DEFECT}: {what}".rstrip(": ")


def _result(name: str, outcome: asyncio.Future[_T], answers: tuple[type[Rejected], ...]) -> _T:
    try:
        return outcome.result()
    except DatasetUnavailable as error:
        said = one_line(str(error))
        raise DatasetUnavailable(said, retry_after_s=error.retry_after_s) from error
    except answers:
        raise
    except (Exception, asyncio.CancelledError) as error:
        log.debug("data set %s", name, exc_info=error)
        raise DatasetUnavailable(defect(name, error)) from error


class _Call(Generic[_T]):
    """One call in its own thread."""

    def __init__(self, work: Callable[[], Coroutine[object, object, _T]]) -> None:
        self.outcome: Future[_T] = Future()
        self._work = work
        self._task: asyncio.Task[_T] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unwanted = False

    def run(self) -> None:
        _settle(self.outcome, lambda: asyncio.run(self._main()))

    def cancel(self) -> None:
        """Cancel the call, from any thread, at any time."""
        self._unwanted = True
        if self._loop is not None and self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)

    async def _main(self) -> _T:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(_DaemonThreads())
        self._task = asyncio.create_task(self._without_exit())
        self._loop = loop
        if self._unwanted:
            self._task.cancel()
        return await self._task

    async def _without_exit(self) -> _T:
        try:
            return await self._work()
        except SystemExit as error:  # would end the loop before the error is reported
            raise RuntimeError(f"it called sys.exit({error.code!r})") from error


class _DaemonThreads(ThreadPoolExecutor):
    """Threads for ``asyncio.to_thread``; the interpreter's exit does not wait for them."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        outcome: Future[_T] = Future()
        Thread(target=_settle, args=(outcome, lambda: fn(*args, **kwargs)), daemon=True).start()
        return outcome


def _settle(outcome: Future[_T], work: Callable[[], _T]) -> None:
    if not outcome.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - raised where the outcome is read
        outcome.set_exception(error)
    else:
        outcome.set_result(result)
