"""The report that a running validator keeps in its state folder for other processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from sn37.app.supervision.current_work import CurrentWork
from sn37.domain.canonical import JsonValue
from sn37.ordinary import read_ordinary

RUN_REPORT = "status.json"  # in the state folder
MAX_BYTES = 2**20  # one of a validator with fifty outages has 10 KB
FRESH_S = 30.0  # the file is replaced every 5 s

HealthPage = Callable[[], tuple[bool, Mapping[str, JsonValue]]]


class Reporter:
    """Composes the report from the health page and the current work. Any thread may call it."""

    def __init__(self, *, page: HealthPage, work: CurrentWork, offline: bool) -> None:
        self._page = page
        self._work = work
        self._offline = offline

    def document(self) -> Mapping[str, JsonValue]:
        """Return the report as JSON."""
        _, page = self._page()
        return {
            **page,
            **self._work.document(),
            "pid": os.getpid(),
            "pid_namespace": pid_namespace(),
            "offline": self._offline,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedOutage:
    """A dependency that fails."""

    since: datetime
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedStep:
    """The step that an actor is in."""

    actor: str
    doing: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedEntry:
    """The entry that is scored."""

    competition: int
    sync_block: int
    hotkey: str
    committed: int
    blocks_done: int
    num_blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedSetUp:
    """A preparation before the start."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """The newest report of a validator. Fields of other versions are left out, or have defaults."""

    written_at: datetime
    ended: str | None = None  # finished, stopped, failed; None: it runs, or it was killed
    pid: int = 0
    pid_namespace: str = ""
    version: str = ""
    started_at: datetime | None = None
    offline: bool = False
    block: int | None = None
    block_age_s: float | None = None  # when the report was written
    loop_silent_s: float = 0.0
    not_ready: str = ""
    warm_up_rounds_left: dict[str, int] = field(default_factory=dict)
    degraded: dict[str, ReportedOutage] = field(default_factory=dict)
    steps: tuple[ReportedStep, ...] = ()
    scoring: ReportedEntry | None = None
    set_up: ReportedSetUp | None = None
    leaderboard: str | None = None


def read_report(folder: Path) -> RunReport | None:
    """Return the newest report in a state folder.

    ``None`` if there is none, or if the file is not a report, as after a loss of power.

    Raises:
        OSError: It is there and cannot be read.
    """
    try:
        content = read_ordinary(folder / RUN_REPORT, MAX_BYTES)
    except FileNotFoundError:
        return None
    try:
        found = TypeAdapter(RunReport).validate_json(content)
    except ValidationError:
        return None
    return found if found.written_at.tzinfo is not None else None


def pid_namespace() -> str:
    """Return the name of this process's space of process numbers; a container has its own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
