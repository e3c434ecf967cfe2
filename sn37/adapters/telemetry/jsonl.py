"""Events as JSON lines in a file, for programs and as a record."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.adapters.telemetry.event_files import MAX_BYTES, ends_in_half_a_line, finish
from sn37.domain.canonical import JsonValue, as_json, canonical_json, fields_as_json
from sn37.domain.events import Event, RoundOpened
from sn37.domain.round.state import RoundPlan

if TYPE_CHECKING:
    from sn37.ports.telemetry import EventSink


log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class JsonlSink:
    """Writes one canonical JSON object a line: ``{"at": ..., "event": ..., ...fields}``.

    A line is one unbuffered write. A line that the disk refuses is dropped and counted; the first
    one is logged. Appends to an existing file.

    A file of ``max_bytes`` or more is finished after its last line and gets another name, see
    ``event_files``.
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime] = _utc_now,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._path = path
        self._now = now
        self._max_bytes = max_bytes
        self._is_stuck = False  # a full file could not be renamed
        self._file: int | None = None  # opened by the first event
        self._torn = False  # the file ends in half a line
        self.num_dropped = 0

    def emit(self, event: Event) -> None:
        fields = (
            {"plan": _plan(event.plan)} if isinstance(event, RoundOpened) else fields_as_json(event)
        )
        line = canonical_json(
            {**fields, "at": self._now().isoformat(), "event": type(event).__name__}
        )
        try:
            self._write(line + b"\n")
        except OSError as error:
            if not self.num_dropped:  # log it once
                log.warning(
                    "%s: %s; events are missing from it", self._path, error.strerror or error
                )
            self.num_dropped += 1
        else:
            self._finish_if_full()

    def close(self) -> None:
        """Close the file; a later event opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, line: bytes) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._torn = ends_in_half_a_line(self._path)
            self._file = os.open(
                self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
        whole = b"\n" + line if self._torn else line
        written = os.write(self._file, whole)
        if written < len(whole):  # the disk is full
            self._torn = self._torn or written > 0
            raise OSError("short write")
        self._torn = False

    def _finish_if_full(self) -> None:
        if self._file is None or os.fstat(self._file).st_size < self._max_bytes:
            return
        self.close()
        try:
            finish(self._path)
        except OSError as error:  # it grows until its folder allows another name
            if not self._is_stuck:
                self._is_stuck = True
                log.warning("%s: %s; the file grows on", self._path, error.strerror or error)


def _plan(plan: RoundPlan) -> JsonValue:
    """Return a plan without the texts of its samples, which may be private."""
    return {
        "key": as_json(plan.key),
        "sync": as_json(plan.sync),
        "champion": as_json(plan.champion),
        "entries": as_json(plan.entries),
        "listed": as_json(plan.listed),
        "manifest_digest": plan.manifest_digest,
        "draws": [
            {
                "task": draw.batch.task,
                "num_samples": len(draw.batch.samples),
                "pool_size": draw.pool_size,
                "pool_digest": draw.pool_digest,
            }
            for draw in plan.draws
        ],
    }


if TYPE_CHECKING:
    _: type[EventSink] = JsonlSink
