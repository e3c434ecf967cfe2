"""A device's memory: wait for the previous worker's release, and judge a lack of memory.

A driver releases memory some time after a worker is killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

POLL_S = 0.1
SETTLED_POLLS = 20  # without a rise: no more memory is being released
MAX_POLLS = 300


def await_free(
    free_bytes: Callable[[], int],
    *,
    need_bytes: int,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once the device has ``need_bytes`` free, or its free memory has stopped rising.

    The missing memory is then held by other programs. The model is tried nevertheless; if it does
    not fit, our side is at fault, see ``had_room``.
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
    """True if a worker that ran out of device memory had as much as its model may use.

    If true, it asked for more, and the model is at fault: its shape is not limited by its size, and
    a wide layer may ask for any amount. If false, the device is too small, or others use it.

    Args:
        free_bytes: On the device, after the failure.
        held_bytes: By this worker.
    """
    return free_bytes + held_bytes >= allowed_bytes
