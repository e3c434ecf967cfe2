"""The story of a run in the program's log, ``validator.log``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.adapters.telemetry.story import Story
from sn37.adapters.telemetry.wording import Labels
from sn37.domain.events import Event
from sn37.domain.printable import printable

if TYPE_CHECKING:
    from sn37.ports.telemetry import EventSink

log = logging.getLogger(__name__)

MAX_BYTES = 8 * 2**20  # of a file
NUM_OLDER = 4  # files beside it: validator.log.1 is the newest of them


class LogSink:
    """Logs the lines that the console shows, warnings as such."""

    def __init__(self, *, labels: Labels, now: Callable[[], datetime]) -> None:
        self._story = Story(labels)
        self._now = now

    def emit(self, event: Event) -> None:
        for line in self._story.tell(event, self._now()):
            log.log(logging.WARNING if line.is_warning else logging.INFO, "%s", line.text)

    def handler(self, file: Path) -> logging.Handler:
        """Return a handler that writes time in UTC, newest block, level and message to a file.

        The file is renamed when it is full, and a bounded number of older ones is kept.

        Raises:
            OSError: The file cannot be opened.
        """
        handler = RotatingFileHandler(
            file, maxBytes=MAX_BYTES, backupCount=NUM_OLDER, encoding="utf-8"
        )
        handler.setFormatter(_Format(self._story))
        return handler


class _Format(logging.Formatter):
    """Messages of all modules, which may quote strangers: none can look like another line, or act
    on a terminal that shows the file.
    """

    def __init__(self, story: Story) -> None:
        super().__init__("%(asctime)s %(block)s %(levelname)-7s %(part)s%(message)s")
        self._story = story

    def format(self, record: logging.LogRecord) -> str:
        first, *traceback = super().format(record).split("\n")
        return "\n".join([first, *(f"  {printable(line)}" for line in traceback)])

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%d %H:%M:%S}Z"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of the library
        record.block = "-" if self._story.block is None else self._story.block
        record.part = "" if record.name == log.name else f"{record.name}: "
        record.message = printable(record.message.replace("\n", " "))
        return super().formatMessage(record)


if TYPE_CHECKING:
    _: type[EventSink] = LogSink
