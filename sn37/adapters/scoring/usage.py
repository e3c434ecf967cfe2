"""Use of the machine by a worker since the last reading, from /proc."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_DEVICE_FILE = "/dev/nvidia"
USERS_EVERY_S = 5.0  # interval of the search for other users of the device, in all processes' files


@dataclass(frozen=True, slots=True)
class Thread:
    """Seconds since its start that a thread ran, and that it waited for a processor."""

    ran_s: float
    waited_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How long the worker's busiest thread ran and could have run since the last reading.

    This is not the sum: eight threads that run for a second use a second of the model's time, and
    eight that share one processor use an eighth each. If the sum divided by the worker's number of
    threads is larger, it counts instead: threads that take turns gain nothing.
    """

    ran_s: float
    runnable_s: float  # ran, or waited for a processor; the rest it waited for something else
    owns_device: bool = False  # no other process uses the GPU


class Meter:
    """Reads the usage of one worker, including processes that it has started.

    Args:
        threads: Number of threads for its operators.
    """

    def __init__(
        self,
        pid: int,
        *,
        device: str,
        threads: int = 1,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pid = pid
        self._threads = threads
        self._has_gpu = device != "cpu"
        self._now = now
        self._before: Mapping[int, Thread] | None = None
        self._owns_device = False
        self._next_look = now()

    async def read(self) -> Reading:
        """Return the usage since the last call; at the first call, since the worker's start."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> Reading:
        found = threads_of(self._pid)
        before, self._before = self._before or {}, found
        nothing = Thread(0.0, 0.0)
        # The kernel reuses the number of an ended thread: the new thread's times are smaller.
        spent = [
            (t, b if b.ran_s <= t.ran_s else nothing)
            for tid, t in found.items()
            for b in (before.get(tid, nothing),)
        ]
        if self._has_gpu and self._now() >= self._next_look:
            self._next_look = self._now() + USERS_EVERY_S
            self._owns_device = not has_other_users(self._pid)
        ran = [t.ran_s - b.ran_s for t, b in spent]
        return Reading(
            ran_s=max(max(ran, default=0.0), sum(ran) / self._threads),
            runnable_s=max(
                (t.ran_s - b.ran_s + t.waited_s - b.waited_s for t, b in spent), default=0.0
            ),
            owns_device=self._owns_device,
        )


def threads_of(pid: int) -> dict[int, Thread]:
    """Return every thread of a process and of its descendants; none once it has ended."""
    found: dict[int, Thread] = {}
    for process in tree_of(pid):
        for folder in _entries(_PROC / str(process) / "task"):
            if (thread := _thread(folder)) is not None:
                found[int(folder.name)] = thread
    return found


def tree_of(pid: int) -> set[int]:
    """Return a process and its descendants, as far as the kernel reports children."""
    found, ahead = set[int](), [pid]
    while ahead:
        process = ahead.pop()
        if process in found:
            continue
        found.add(process)
        for folder in _entries(_PROC / str(process) / "task"):
            ahead += map(int, _text(folder / "children").split())
    return found


def has_other_users(pid: int) -> bool:
    """True if a visible process outside this one's tree has a GPU open."""
    own = tree_of(pid)
    for folder in _entries(_PROC):
        if not folder.name.isdigit() or int(folder.name) in own:
            continue
        for file in _entries(folder / "fd"):
            name = _link(file)
            if name.startswith(_DEVICE_FILE) and name[len(_DEVICE_FILE) :].isdigit():
                return True
    return False


def _thread(folder: Path) -> Thread | None:
    if statistics := _text(folder / "schedstat").split():
        return Thread(int(statistics[0]) / 1e9, int(statistics[1]) / 1e9)
    fields = _text(folder / "stat").rpartition(")")[2].split()
    if len(fields) < 13:
        return None  # it has ended
    return Thread((int(fields[11]) + int(fields[12])) / _TICKS_PER_S, 0.0)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # it has ended, or belongs to another user
        return []


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def _link(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""
