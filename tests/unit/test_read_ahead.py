"""Whether files are in the page cache is asked of the kernel, by mincore."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

import pytest

from sn37.adapters.scoring.read_ahead import CHUNK_BYTES, ReadAhead

SIZE = 2 * CHUNK_BYTES + 12_345
libc = ctypes.CDLL(None, use_errno=True)


def resident_fraction(path: Path) -> float:
    """Share of a file's pages that are in memory."""
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE)  # writable, for ctypes
    pages = -(-len(mapping) // mmap.PAGESIZE)
    found = (ctypes.c_ubyte * pages)()
    start = (ctypes.c_char * len(mapping)).from_buffer(mapping)
    answer = libc.mincore(
        ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(len(mapping)), found
    )
    del start
    mapping.close()
    assert answer == 0, os.strerror(ctypes.get_errno())
    return sum(page & 1 for page in found) / pages


def about(fraction: float) -> object:
    """Almost the same: a kernel that is short of memory may drop pages at any time."""
    return pytest.approx(fraction, abs=0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shards and a file that is no weights, dropped from the page cache (not in a tmpfs)."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("a.safetensors", "b.safetensors", "tokenizer.json"):
        path = folder / name
        with path.open("wb") as file:
            file.write(os.urandom(SIZE))
            file.flush()
            os.fsync(file.fileno())  # only clean pages can be dropped
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return folder


def meminfo(path: Path, available_bytes: int) -> Path:
    path.write_text(f"MemTotal: 1 kB\nMemAvailable: {available_bytes >> 10} kB\n")
    return path


def test_the_weights_become_resident_and_nothing_else(folder: Path) -> None:
    other = resident_fraction(folder / "tokenizer.json")
    ahead = ReadAhead()
    ahead.start(folder)
    ahead.wait()
    after = [resident_fraction(path) for path in sorted(folder.iterdir())]
    assert after == [about(1.0), about(1.0), about(other)]


def test_nothing_is_read_when_memory_would_not_hold_it_twice(folder: Path, tmp_path: Path) -> None:
    before = resident_fraction(folder / "b.safetensors")
    for available, expected in ((4 * SIZE - 4096, before), (4 * SIZE + 4096, 1.0)):
        ahead = ReadAhead(meminfo=meminfo(tmp_path / "meminfo", available))
        ahead.start(folder)
        ahead.wait()
        assert resident_fraction(folder / "b.safetensors") == about(expected)


def test_missing_files_do_no_harm(folder: Path, tmp_path: Path) -> None:
    ahead = ReadAhead()
    ahead.start(tmp_path / "nothing")
    ahead.stop()
    ahead.stop()
    ahead.start(folder)
    ahead.wait()
    assert resident_fraction(folder / "a.safetensors") == about(1.0)


def test_a_newer_request_ends_the_older_one(folder: Path, tmp_path: Path) -> None:
    ahead = ReadAhead()
    ahead.start(tmp_path)
    ahead.start(folder)
    ahead.wait()
    assert resident_fraction(folder / "a.safetensors") == about(1.0)
