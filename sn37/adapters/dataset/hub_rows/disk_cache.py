"""Bytes kept on disk under a key. A file that is damaged or missing only costs another request."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path


class DiskCache:
    """Files of one folder, shared by all processes of a user.

    Nothing here raises ``OSError``: on a full or unwritable disk nothing is kept.

    Args:
        max_bytes: Of all files; those that were not used for the longest time are removed first.
            ``None`` keeps everything.
    """

    def __init__(self, folder: Path, *, max_bytes: int | None = None) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def get(self, *key: str) -> bytes | None:
        """Return the content, or ``None`` if none was kept or its hash is wrong."""
        path = self._path(key)
        try:
            stored = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        digest, content = stored[:32], stored[32:]
        return content if sha256(content).digest() == digest else None

    def put(self, content: bytes, *key: str) -> None:
        """Keep a content, instead of an earlier one of the same key."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content))
            self._write(self._path(key), sha256(content).digest() + content)

    def remove(self, *key: str) -> None:
        """Forget what is kept under a key, if anything is."""
        with suppress(OSError):
            self._path(key).unlink()

    def _write(self, path: Path, stored: bytes) -> None:
        # Not ``durable.write_whole``: several processes may write the same file at a time, and a
        # file that a loss of power damages is read again.
        descriptor, partial = tempfile.mkstemp(dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(stored)
            Path(partial).rename(path)
        except OSError:
            Path(partial).unlink(missing_ok=True)
            raise

    def _make_room(self, num_bytes: int) -> None:
        if self._max_bytes is None:
            return
        files = sorted((f.stat().st_mtime_ns, f.stat().st_size, f) for f in self._folder.iterdir())
        size_bytes = sum(size for _, size, _ in files) + num_bytes
        for _, size, file in files:
            if size_bytes <= self._max_bytes:
                return
            file.unlink(missing_ok=True)
            size_bytes -= size

    def _path(self, key: tuple[str, ...]) -> Path:
        return self._folder / sha256("\0".join(key).encode()).hexdigest()
