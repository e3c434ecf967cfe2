"""What keeps the memory of a long run small, and still finds what is lost in a cycle."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from sn37.app.garbage import ARENAS, THRESHOLDS, look_less_often


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
from sn37.app.garbage import keep_heaps_small
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
    assert heaps_of_threads("shared") < ARENAS
    assert heaps_of_threads("apart") >= 8
