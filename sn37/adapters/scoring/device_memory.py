"""A device's memory: waiting for what the worker before held, and whose fault it is to lack some.

A driver gives memory back some time after a worker is killed.
"""

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
    it not fit, that is told as our fault, see ``had_room``.
    """
    most, since_rise = free_bytes(), 0
    for _ in range(MAX_POLLS):
        if most >= need_bytes or since_rise >= SETTLED_POLLS:
            return
        sleep(POLL_S)
        now = free_bytes()
        since_rise = 0 if now > most else since_rise + 1
        most = max(most, now)


def had_room(*, free_bytes: int, held_bytes: int, allowed_bytes: int) -> bool:
    """Whether a worker that ran out of memory on a device had as much as its model may take.

    If so, it asked for more, and the model is at fault: its shape is not its size, and a wide layer
    asks for any amount. If not, the device is too small, or others use it.

    Args:
        free_bytes: On the device, after the failure.
        held_bytes: By this worker.
    """
    return free_bytes + held_bytes >= allowed_bytes
