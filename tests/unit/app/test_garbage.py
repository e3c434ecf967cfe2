"""What keeps the memory of a long run small, and still finds what is lost in a cycle."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from sn37.app.supervision.memory_tuning import ARENAS, THRESHOLDS, look_less_often


@pytest.fixture(autouse=True)
def pythons_own() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


class Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_cycles_are_still_found() -> None:
    look_less_often()
    lost = weakref.ref(Cycle())
    kept = [[] for _ in range(2 * THRESHOLDS[0])]  # type: list[list[object]]
    assert lost() is None
    assert len(kept) == 2 * THRESHOLDS[0]


# Eight threads at once take memory of the C library; its heaps of threads begin at multiples of
# 64 MiB, see malloc/arena.c of glibc.
HEAPS = """
import ctypes, sys, threading
from sn37.app.supervision.memory_tuning import keep_heaps_small
if sys.argv[1] == "shared":
    keep_heaps_small()
malloc, together = ctypes.CDLL(None).malloc, threading.Barrier(9)
def take():
    malloc(1000)
    together.wait()
    together.wait()
for _ in range(8):
    threading.Thread(target=take).start()
together.wait()
starts = [int(line.split("-")[0], 16) for line in open("/proc/self/maps")]
print(sum(start % (64 << 20) == 0 for start in starts))
together.wait()
"""


def heaps_of_threads(which: str) -> int:
    return int(subprocess.check_output([sys.executable, "-c", HEAPS, which]))


def test_threads_share_their_heaps() -> None:
    # Any other mapping begins at such an address by chance once in 16,384 times.
    assert heaps_of_threads("shared") <= ARENAS
    assert heaps_of_threads("apart") >= 8


# One large piece comes and goes, as a pool does; where does the next one come from?
LARGE = """
import ctypes, sys
from sn37.app.supervision.memory_tuning import LARGE_BYTES, keep_heaps_small
if sys.argv[1] == "small":
    keep_heaps_small()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
class Info(ctypes.Structure):  # mallinfo2(3); the fourth: pieces taken from the system alone
    _fields_ = [(name, ctypes.c_size_t) for name in "abcdefghij"]
libc.mallinfo2.restype = Info
libc.free(ctypes.c_void_p(libc.malloc(64 * LARGE_BYTES)))
before = libc.mallinfo2().d
libc.malloc(8 * LARGE_BYTES)
print(libc.mallinfo2().d - before)
"""


@pytest.mark.parametrize(("which", "from_the_system"), [("small", 1), ("as it is", 0)])
def test_large_pieces_leave_no_holes_in_the_heap(which: str, from_the_system: int) -> None:
    assert int(subprocess.check_output([sys.executable, "-c", LARGE, which])) == from_the_system
