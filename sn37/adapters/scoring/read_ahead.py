"""Brings the files of the next model into the page cache while the current one is scored."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

_log = logging.getLogger(__name__)

CHUNK_BYTES = 8 << 20  # asked of the disk at a time; two are under way


class ReadAhead:
    """One thread that reads one folder's weights; a newer request ends it.

    Args:
        meminfo: Where the kernel tells how much memory is free or can be freed.
    """

    def __init__(self, *, meminfo: Path = Path("/proc/meminfo")) -> None:
        self._meminfo = meminfo
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, folder: Path) -> None:
        """Begin with the weights in ``folder``; returns at once."""
        self._stop.set()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(folder, self._stop), name="read-ahead", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread, at the latest when the chunk it waits for has arrived."""
        self._stop.set()
        self.wait()

    def wait(self) -> None:
        """Return when nothing is being read any more."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, folder: Path, stop: threading.Event) -> None:
        try:
            files = sorted(folder.glob("*.safetensors"))
            needed = sum(path.stat().st_size for path in files)
            # As much again is left alone: a model scored on the CPU is itself mapped from the
            # page cache, which the kernel counts as available.
            if (free := self._available_bytes()) < 2 * needed:
                _log.info("not read ahead: %s, %d bytes with %d available", folder, needed, free)
                return
            for path in files:
                _read(path, stop)
        except OSError as error:  # a hint: whoever needs the files will find out and say so
            _log.info("not read ahead: %s: %s", folder, error)

    def _available_bytes(self) -> int:
        for line in self._meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
        return 0


def _read(path: Path, stop: threading.Event) -> None:
    with path.open("rb", buffering=0) as file:
        descriptor, size = file.fileno(), path.stat().st_size
        for first in range(0, size, CHUNK_BYTES):
            if stop.is_set():
                return
            os.posix_fadvise(descriptor, first, CHUNK_BYTES, os.POSIX_FADV_WILLNEED)
            # Waits for the chunk before this one: the disk keeps a short queue, and nothing is
            # copied but a byte.
            os.pread(descriptor, 1, max(0, first - 1))
        os.pread(descriptor, 1, max(0, size - 1))
