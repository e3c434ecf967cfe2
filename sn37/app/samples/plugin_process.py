"""Program of the process in which a plug-in's code runs; see ``plugin_messages``.

It runs under a guard, which ends it and all that it started when the answer has been read. Prints
of a plug-in go to standard error, so the answer is alone on its stream.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import resource
import sys
from collections.abc import Callable

from sn37.app.samples.plugin_calls import defect
from sn37.app.samples.plugin_messages import (
    Complete,
    Failure,
    Kind,
    Line,
    Logged,
    Order,
    decode_order,
    encode_line,
    in_parts,
)
from sn37.app.samples.plugin_reads import OpeningFailed, collect, description_of, draw, open_source
from sn37.app.samples.plugins import dataset_plugin
from sn37.app.supervision.memory_tuning import look_less_often
from sn37.domain.data.samples import PoolRequest
from sn37.domain.data.vetting import Collected
from sn37.domain.printable import one_line
from sn37.domain.schedule.competition import Source
from sn37.ports.dataset import (
    DatasetPlugin,
    LiveDataset,
    Pinnable,
    StaticDataset,
)
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable

MAX_MEMORY_BYTES = 8 << 30  # private data of each process; a full pool and its copies take 2 GB

Send = Callable[[Line], None]

log = logging.getLogger(__name__)


def main() -> None:
    """Answer one order."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    order = decode_order(sys.stdin.buffer.readline())
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # a plug-in that reads it gets an end of file
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    look_less_often()

    def send(line: Line) -> None:
        answer.write(encode_line(line))

    def send_now(line: Line) -> None:
        send(line)
        answer.flush()  # a process that the plug-in forks must not inherit unwritten lines

    logging.basicConfig(
        level=order.log_level, format="%(name)s: %(message)s", handlers=[_Sender(send_now)]
    )
    asyncio.run(_answer(order, send, send_now))


async def _answer(order: Order, send: Send, send_now: Send) -> None:
    try:
        last = await _rows(order, send)
    # Not our code, so it may raise anything, and end the loop by sys.exit() in a task of its own.
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        log.debug("data set %s", order.name, exc_info=error)
        last = _failure(order, error)
    send_now(last)


async def _rows(order: Order, send: Send) -> Line:
    """Send the rows, and return the last line."""
    try:
        plugin = dataset_plugin(order.name)
    except LookupError as error:
        return Failure(kind=Kind.NOT_FOUND, message=str(error.args[0]))
    if order.source is None:
        return Complete(freshness=plugin.freshness, description=description_of(plugin))
    if order.is_pin:
        return await _pinned(plugin, order.source)
    try:
        dataset = open_source(plugin, order.source)
    except OpeningFailed as error:
        return Failure(kind=Kind.OPENING_FAILED, message=str(error))
    except ValueError as error:
        return Failure(kind=Kind.REFUSED, message=str(error))
    before = random.getstate()
    if order.request is not None and isinstance(dataset, LiveDataset):
        found = await _collect(dataset, order.source, order.request, is_vetted=order.is_vetted)
        for sample in found.pool.samples:
            send(sample)
        for aside in found.set_aside:
            for part in in_parts(aside):
                send(part)
    if order.count is not None and isinstance(dataset, StaticDataset):
        for sample in await draw(dataset, count=order.count, seed=order.seed):
            send(sample)
    return Complete(
        freshness=plugin.freshness,
        description=description_of(plugin),
        opened=type(dataset).__name__,
        left_random_alone=random.getstate() == before,
    )


async def _pinned(plugin: DatasetPlugin, source: Source) -> Line:
    if not isinstance(plugin, Pinnable):
        return Complete(freshness=plugin.freshness)
    try:
        pin = await plugin.pin(source.parameters)
    except ValueError as error:
        return Failure(kind=Kind.REFUSED, message=str(error))
    return Complete(freshness=plugin.freshness, pin=pin)


async def _collect(
    dataset: LiveDataset, source: Source, request: PoolRequest, *, is_vetted: bool
) -> Collected:
    if is_vetted:
        return await collect(dataset, source, request)
    return Collected(pool=await dataset.collect(request))


def _failure(order: Order, error: BaseException) -> Failure:
    match error:
        case DatasetUnavailable():
            return Failure(
                kind=Kind.UNAVAILABLE,
                message=one_line(str(error)),
                retry_after_s=error.retry_after_s,
            )
        case DatasetExhausted() if order.count is not None:
            return Failure(
                kind=Kind.EXHAUSTED,
                message=one_line(str(error)),
                requested=error.requested,
                available=error.available,
            )
        case SystemExit(code=code):
            error = RuntimeError(f"it called sys.exit({code!r})")
    return Failure(kind=Kind.DEFECT, message=defect(order.name, error))


class _Sender(logging.Handler):
    """Sends messages of the log with the answer."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send
        self._pid = os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        if os.getpid() == self._pid:  # a forked process must not write into the answer
            self._send(Logged(level=record.levelno, text=self.format(record)))


if __name__ == "__main__":
    main()
