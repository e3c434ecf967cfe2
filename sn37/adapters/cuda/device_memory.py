"""Wait for the memory of the worker before: a driver gives it back some time after the kill."""

from __future__ import annotations

import time
from collections.abc import Callable

POLL_S = 0.1
SETTLED_POLLS = 20  # without a rise: nobody is giving anything back any more
MAX_POLLS = 300


def await_free(
    free_bytes: Callable[[], int],
    *,
    need_bytes: int,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once the device has ``need_bytes`` free, or its free memory has stopped rising.

    What is missing then is held by other programs. The model is tried all the same; should
    it not fit, that is told as our fault.
    """
    most, since_rise = free_bytes(), 0
    for _ in range(MAX_POLLS):
        if most >= need_bytes or since_rise >= SETTLED_POLLS:
            return
        sleep(POLL_S)
        now = free_bytes()
        since_rise = 0 if now > most else since_rise + 1
        most = max(most, now)
