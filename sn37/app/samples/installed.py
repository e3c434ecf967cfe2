"""Plug-ins of installed packages, whose code runs in a process of its own for each call.

This program does not import them. A plug-in that hangs, crashes or eats memory harms its own
process, which is ended together with all that it started. Its rows are checked here again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from sn37.app.samples.plugin_calls import PluginCalls
from sn37.app.samples.plugin_messages import (
    MAX_ANSWER_BYTES,
    MAX_LINE_BYTES,
    MAX_ROWS,
    Complete,
    Failure,
    Kind,
    Logged,
    Order,
    decode_line,
    encode_order,
)
from sn37.app.samples.plugin_reads import OpeningFailed
from sn37.domain.data.samples import Pool, Sample
from sn37.domain.data.vetting import (
    MAX_NAME_CHARACTERS,
    Collected,
    ContractBroken,
    SetAside,
    vet,
    vet_draw,
)
from sn37.domain.printable import one_line
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable

PROCESS = "sn37.app.samples.plugin_process"
MAX_LOGGED = 1000  # messages of one call
LINES_AT_A_TIME = 200  # between two chances to end the call

log = logging.getLogger(__name__)


class RunModule(Protocol):
    """Runs a module in a process of its own; the wiring has one that guards it."""

    def __call__(
        self, module: str, order: bytes, environment: Mapping[str, str], *, max_line_bytes: int
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Give a module one line, and open the lines that it answers.

        Nothing of it outlives the context. The iterator raises when the process ends, so a caller
        stops at the answer's last line.

        Args:
            environment: Variables that differ from this process's.

        Raises:
            DatasetUnavailable: It cannot be started, sends a line that is too long, or ended.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The checked answer of a plug-in's process to an order."""

    samples: tuple[Sample, ...]  # in the order of the plug-in
    collected: Collected  # of the samples of a live source, and the rows set aside
    complete: Complete


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPlugin:
    """A plug-in by its entry point."""

    name: str
    run: RunModule
    environment: Mapping[str, str] = field(default_factory=dict)  # differs from this process's

    async def ask(self, order: Order, calls: PluginCalls) -> Answer:
        """Carry out an order in a process, within the deadline of ``calls``.

        Raises:
            LookupError: The plug-in cannot be imported.
            ValueError: It is of another kind, or refuses its parameters.
            OpeningFailed: It cannot be opened for another reason.
            DatasetUnavailable: The source did not answer, or the plug-in broke its contract.
            DatasetExhausted: There are fewer rows than a draw needs.
        """
        answers = (DatasetExhausted,) if order.count is not None else ()
        found = await calls.call(self.name, lambda: self._answer(order), answers=answers)
        if isinstance(found, Answer):
            return found
        raise _NOT_OPENED[found.kind](found.message)

    async def _answer(self, order: Order) -> Answer | Failure:
        """Return the answer, or why the plug-in was not opened."""
        received = _Received(self.name)
        line = encode_order(replace(order, log_level=logging.getLogger().getEffectiveLevel()))
        try:
            async with self.run(
                PROCESS, line, self.environment, max_line_bytes=MAX_LINE_BYTES
            ) as lines:
                async for answered in lines:
                    if (last := received.take(answered)) is not None:
                        break
                    if received.num_lines % LINES_AT_A_TIME == 0:
                        await asyncio.sleep(0)  # lines that wait already are read without a pause
                else:
                    raise ContractBroken("its process sent no last line")
        except DatasetUnavailable as error:
            raise DatasetUnavailable(f"data set {self.name}: its process {error}") from error
        match last:
            case Complete():
                return received.checked(order, last)
            case Failure(kind=Kind.EXHAUSTED):
                raise DatasetExhausted(requested=last.requested, available=last.available)
            case Failure(kind=Kind.UNAVAILABLE | Kind.DEFECT):
                raise DatasetUnavailable(last.message, retry_after_s=last.retry_after_s)
        return last


class _Received:
    """The lines of an answer so far."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: dict[str, Sample] = {}  # by row id
        self._asides: defaultdict[str, list[str]] = defaultdict(list)  # row ids by reason
        self._size_bytes = self._num_aside = self._num_logged = 0
        self.num_lines = 0

    def take(self, line: bytes) -> Complete | Failure | None:
        """Add a line; return it if it is the last.

        Raises:
            ContractBroken: The line is invalid, repeats a row, or makes the answer too large.
        """
        self.num_lines += 1
        self._size_bytes += len(line)
        if self._size_bytes > MAX_ANSWER_BYTES:
            raise ContractBroken(f"an answer of more than {MAX_ANSWER_BYTES:,} bytes")
        match decode_line(line):
            case Sample() as row:
                row_id = row.provenance.row_id
                if row_id in self._rows:
                    raise ContractBroken(f"row {one_line(row_id[:MAX_NAME_CHARACTERS])!r} twice")
                self._rows[row_id] = row
            case SetAside(why=why, row_ids=row_ids):
                self._asides[why].extend(row_ids)
                self._num_aside += len(row_ids)
            case Logged(level=level, text=text):
                self._num_logged += 1
                if self._num_logged <= MAX_LOGGED:
                    log.log(level, "data set %s: %s", self._name, text)
            case last:
                return last
        if len(self._rows) + self._num_aside > MAX_ROWS:
            raise ContractBroken(f"more than {MAX_ROWS:,} rows, with those set aside")
        return None

    def checked(self, order: Order, complete: Complete) -> Answer:
        """Return the whole answer.

        Raises:
            ContractBroken, ValueError: Its rows are not what was ordered.
        """
        samples = tuple(self._rows.values())
        aside = tuple(SetAside(why=why, row_ids=tuple(ids)) for why, ids in self._asides.items())
        found = Collected(pool=Pool(samples), set_aside=aside)
        if order.count is not None:
            vet_draw(samples, order.count)
        if order.request is not None and order.is_vetted:
            again = vet(found.pool, order.request)
            found = Collected(pool=again.pool, set_aside=aside + again.set_aside)
        return Answer(samples=samples, collected=found, complete=complete)


_NOT_OPENED: Mapping[Kind, type[Exception]] = {
    Kind.NOT_FOUND: LookupError,
    Kind.REFUSED: ValueError,
    Kind.OPENING_FAILED: OpeningFailed,
}
