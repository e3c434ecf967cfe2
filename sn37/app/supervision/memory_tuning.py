"""How Python looks for garbage in cycles, and how threads share the C library's memory."""

from __future__ import annotations

import ctypes
import gc

# New objects between two looks, and looks before one at older and at all objects. A pool is
# hundreds of thousands of objects, none of them in a cycle; Python's own 700, 10 and 10 spend a
# quarter of the time in which one is collected on walking those that are there already.
THRESHOLDS = (50_000, 20, 100)
# glibc gives each thread a heap of its own, which keeps the most that it ever needed. Whichever
# of a pool's threads gets a large piece of work, its heap grows: over a thousand rounds all do.
ARENAS = 2
# From this size on, memory is taken from the system and given back alone. By itself glibc raises
# the limit to the largest piece ever given back, a pool of some megabytes, and such pieces leave
# holes of megabytes in the heap.
LARGE_BYTES = 128 * 1024
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of mallopt(3)


def look_less_often() -> None:
    """For the rest of the process."""
    gc.set_threshold(*THRESHOLDS)


def keep_heaps_small() -> None:
    """For threads that are started from now on. Other C libraries than glibc have one heap."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, ARENAS)
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, LARGE_BYTES)
