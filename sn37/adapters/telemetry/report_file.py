"""The newest report of a validator in a file, for other processes."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.domain.canonical import JsonValue
from sn37.domain.events import (
    Degraded,
    EntryFinished,
    EntryStarted,
    Event,
    LeaderboardServed,
    Recovered,
    RoundFinished,
    RoundOpened,
    WeightsSubmitted,
)
from sn37.durable import PARTIAL_SUFFIX

if TYPE_CHECKING:
    from sn37.ports.telemetry import EventSink

log = logging.getLogger(__name__)

EVERY_S = 5.0
PAUSE_S = 1.0  # between two writes, however many events arrive
_LAST_WRITE_S = 3.0
_TURNS = (
    *(Degraded, EntryFinished, EntryStarted, LeaderboardServed, Recovered),
    *(RoundFinished, RoundOpened, WeightsSubmitted),
)


class ReportFile:
    """Replaces a file by the newest report every few seconds, and soon after important events.

    Its own thread asks for the report and writes it, so neither a slow disk nor a blocked event
    loop delays the other. A reader sees one whole report. The disk is not waited for: after a
    loss of power the file may be old. A write that the disk refuses is left out; the first one is
    logged.
    """

    def __init__(self, path: Path, *, every_s: float = EVERY_S, pause_s: float = PAUSE_S) -> None:
        self._path = path
        self._pause_s = min(pause_s, every_s)
        self._every_s = every_s
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._ended: str | None = None
        self._refused = False

    def emit(self, event: Event) -> None:
        if isinstance(event, _TURNS):
            self._wake.set()

    @contextmanager
    def kept(self, report: Callable[[], Mapping[str, JsonValue]]) -> Iterator[None]:
        """Open a context in which the file is kept up to date; the last report says how it ended.

        ``ended`` is "finished", "stopped" (cancelled) or "failed"; ``null`` until then.

        Args:
            report: Returns what is known now; called by the thread.
        """
        thread = threading.Thread(target=self._run, args=(report,), name="report", daemon=True)
        thread.start()
        ended = "failed"
        try:
            yield
            ended = "finished"
        except asyncio.CancelledError:
            ended = "stopped"
            raise
        finally:
            self._ended = ended
            self._stop.set()
            self._wake.set()
            thread.join(_LAST_WRITE_S)

    def _run(self, report: Callable[[], Mapping[str, JsonValue]]) -> None:
        while not self._stop.is_set():
            self._write(report)
            self._stop.wait(self._pause_s)
            self._wake.wait(self._every_s)
            self._wake.clear()
        self._write(report)

    def _write(self, report: Callable[[], Mapping[str, JsonValue]]) -> None:
        now = datetime.now(UTC)
        content = {
            **report(),
            "written_at": now.isoformat(timespec="milliseconds"),
            "ended": self._ended,
        }
        partial = self._path.with_name(f"{self._path.name}{PARTIAL_SUFFIX}")
        try:
            partial.unlink(missing_ok=True)  # a pipe would be waited for
            partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            partial.replace(self._path)
        except OSError as error:
            if not self._refused:
                self._refused = True
                log.warning("%s: %s; it may be outdated", self._path, error.strerror or error)


if TYPE_CHECKING:
    _: type[EventSink] = ReportFile
