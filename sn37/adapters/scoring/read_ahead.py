"""Reader that loads the next model's files into the page cache while the current one is scored."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

_log = logging.getLogger(__name__)

CHUNK_BYTES = 8 << 20  # read from the disk at a time; two are requested at once


class ReadAhead:
    """A thread that reads one folder's weights; a newer request ends it.

    Args:
        meminfo: The kernel's file with the memory that is free or can be freed.
    """

    def __init__(self, *, meminfo: Path = Path("/proc/meminfo")) -> None:
        self._meminfo = meminfo
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, folder: Path) -> None:
        """Begin to read the weights in ``folder``; return at once."""
        self._stop.set()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(folder, self._stop), name="read-ahead", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread, at the latest when its current chunk has arrived."""
        self._stop.set()
        self.wait()

    def wait(self) -> None:
        """Return when reading has ended."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, folder: Path, stop: threading.Event) -> None:
        try:
            files = sorted(folder.glob("*.safetensors"))
            needed = sum(path.stat().st_size for path in files)
            # Twice the size must be available: a model scored on the CPU is itself mapped from the
            # page cache, which the kernel counts as available.
            if (free := self._available_bytes()) < 2 * needed:
                _log.info("not read ahead: %s, %d bytes with %d available", folder, needed, free)
                return
            for path in files:
                _read(path, stop)
        except OSError as error:  # only a hint: the scorer reports the error itself
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
            # Waits for the chunk before this one: the disk keeps a short queue, and only a byte
            # is copied.
            os.pread(descriptor, 1, max(0, first - 1))
        os.pread(descriptor, 1, max(0, size - 1))
