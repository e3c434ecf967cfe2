"""A thread that ends the process when its event loop is stuck."""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

STUCK_EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h: a service manager starts it again


class Watchdog:
    """Calls ``on_stuck`` when ``beat`` was not called for ``deadline_s`` seconds.

    Seconds are counted by the thread's own waits, so a process that was stopped, or a machine
    that slept, does not count as stuck.
    """

    def __init__(
        self, *, deadline_s: float, on_stuck: Callable[[], None], interval_s: float = 1.0
    ) -> None:
        self._deadline_s = deadline_s
        self._on_stuck = on_stuck
        self._interval_s = interval_s
        self._silent_s = 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    @property
    def silent_s(self) -> float:
        """Seconds since the last beat."""
        return self._silent_s

    def start(self) -> None:
        self._thread.start()

    def beat(self) -> None:
        """Report that the loop runs."""
        self._silent_s = 0.0

    def close(self) -> None:
        """Stop watching; also allowed before ``start``."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(self._interval_s):
            self._silent_s += self._interval_s
            if self._silent_s > self._deadline_s:
                self._on_stuck()
                return


def end_process(log_file: Path, why: str) -> None:
    """Log the stack of every thread, and exit at once without cleaning up.

    The recorded state is safe, and children of a validator end with it.
    """
    with suppress(OSError):  # a full disk must not keep a stuck validator alive
        log.critical("%s; the process ends, and continues when started again", why)
        with log_file.open("a", encoding="utf-8") as file:
            faulthandler.dump_traceback(file, all_threads=True)
    os._exit(STUCK_EXIT_CODE)
