"""Transfer of one file from the hub to disk, resumed where it stopped and verified by hash."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path
from typing import BinaryIO

from sn37.adapters.admission.digest import FileHasher, HashedFile, chunks_of
from sn37.adapters.hub.hub_requests import HubHost, RemoteFile
from sn37.domain.backoff import Backoff
from sn37.ports.errors import StoreUnavailable

MAX_FAILURES = 5  # in a row, without receiving a byte
MAX_WAIT_S = 60.0  # a longer wait is left to the caller, which has other models to fetch


class Download:
    """A file at ``path``, written from its first byte to its last.

    Bytes from an earlier run are kept and hashed; only the rest is transferred.
    """

    def __init__(
        self,
        host: HubHost,
        repo: str,
        revision: str,
        file: RemoteFile,
        path: Path,
        *,
        pause_s: float,
    ) -> None:
        self._host = host
        self._repo = repo
        self._revision = revision
        self._file = file
        self._path = path
        self._pauses_s = Backoff(pause_s)

    @property
    def present_bytes(self) -> int:
        """Number of bytes on disk."""
        return self._path.stat().st_size if self._path.exists() else 0

    def head(self, length: int) -> bytes:
        """Return the first ``length`` bytes; transfer those that are missing.

        Raises:
            StoreUnavailable: The hub does not serve them.
            OSError: The disk cannot be read or written.
        """
        with self._open() as target:
            present = target.seek(0, os.SEEK_END)
            for chunk in self._transfer(present, min(length, self._file.listed.size_bytes)):
                target.write(chunk)
            target.seek(0)
            return target.read(length)

    def forget(self) -> None:
        """Delete the file, so that the next transfer begins at its first byte."""
        self._path.unlink(missing_ok=True)

    def complete(self, *, norms: bool = False) -> HashedFile:
        """Transfer the missing bytes; return the digests of the whole file.

        The miner is not to blame for bytes that differ from the hub's listing. The file is
        transferred once more; if it differs again, the hub is at fault.

        Raises:
            ModelRejected: ``bad_header``, if the bytes are those that the hub lists.
            StoreUnavailable: The hub does not serve them.
            OSError: The disk cannot be read or written.
        """
        for _ in range(2):
            hasher = self._pass_over(norms=norms)
            if hasher is not None:
                return hasher.finish()
            self.forget()
        raise StoreUnavailable(
            f"{self._repo}: the hub's {self._file.listed.path} does not match its listed hash"
        )

    def _pass_over(self, *, norms: bool) -> FileHasher | None:
        """Hash the whole file; return ``None`` if it is not the file that the hub lists."""
        size = self._file.listed.size_bytes
        hasher = FileHasher(self._file.listed.path, size, norms=norms)
        blob = sha1(b"blob %d\0" % size, usedforsecurity=False)
        with_blob = self._file.sha256 is None
        with self._open() as target:
            present = 0
            for held in chunks_of(target, hasher):
                hasher.update(held)
                if with_blob:
                    blob.update(held)
                present += len(held)
            for chunk in self._transfer(present, size):
                target.write(chunk)
                hasher.update(chunk)
                if with_blob:
                    blob.update(chunk)
            target.flush()
            os.fsync(target.fileno())
        found = blob.hexdigest() if with_blob else hasher.sha256
        return hasher if found == (self._file.sha256 or self._file.blob_id) else None

    def _open(self) -> BinaryIO:
        """Open the file at its beginning; every write appends."""
        if self.present_bytes > self._file.listed.size_bytes:
            self.forget()
        target = self._path.open("a+b")
        target.seek(0)
        return target

    def _transfer(self, start: int, stop: int) -> Iterator[bytes]:
        failures = 0
        while start < stop:
            try:
                for chunk in self._host.stream(
                    self._repo, self._revision, self._file.listed, start, stop
                ):
                    yield chunk
                    start += len(chunk)
                    failures = 0
                if start < stop:
                    raise StoreUnavailable(f"{self._repo}: the connection ended early")
            except StoreUnavailable as error:
                failures += 1
                wait_s = self._pauses_s.after(failures)
                if error.retry_after_s is not None:
                    wait_s = error.retry_after_s
                if failures >= MAX_FAILURES or wait_s > MAX_WAIT_S:
                    raise
                time.sleep(wait_s)
