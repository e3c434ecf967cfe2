"""Settings of Python's garbage collector and of the C library's memory allocator."""

from __future__ import annotations

import ctypes
import gc

# New objects between two collections, and collections before one of older and of all objects. A
# pool has hundreds of thousands of objects, none of them in a cycle. With Python's defaults of 700,
# 10 and 10, a quarter of the time to read a pool goes into scanning its existing objects.
THRESHOLDS = (50_000, 20, 100)
# glibc gives each thread its own heap, which keeps its peak size. A thread that gets a large piece
# of work grows its heap; over a thousand rounds all threads of a pool do.
ARENAS = 2
# From this size on, each allocation is mapped and returned separately. By default glibc raises
# the limit to the largest block ever freed, a pool of some megabytes, and such blocks leave holes
# of megabytes in the heap.
LARGE_BYTES = 128 * 1024
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of mallopt(3)


def look_less_often() -> None:
    """Collect garbage less often for the rest of the process."""
    gc.set_threshold(*THRESHOLDS)


def keep_heaps_small() -> None:
    """Limit the heaps of threads started from now on. Has no effect without glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, ARENAS)
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, LARGE_BYTES)
