"""One file from the hub to disk: resumed where it stopped, checked before it is believed."""

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

MAX_FAILURES = 5  # in a row, without a byte in between
MAX_WAIT_S = 60.0  # longer ones are the caller's to wait, who has other models to fetch


class Download:
    """A file that grows at ``path`` in the order of its bytes.

    What lies there from an earlier run is kept and hashed; only the rest is transferred.
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
        """How much is on disk."""
        return self._path.stat().st_size if self._path.exists() else 0

    def head(self, length: int) -> bytes:
        """The first ``length`` bytes, transferred unless they are here.

        Raises:
            StoreUnavailable: They cannot be had.
            OSError: The disk refused.
        """
        with self._open() as target:
            present = target.seek(0, os.SEEK_END)
            for chunk in self._transfer(present, min(length, self._file.listed.size_bytes)):
                target.write(chunk)
            target.seek(0)
            return target.read(length)

    def forget(self) -> None:
        """Begin again from nothing."""
        self._path.unlink(missing_ok=True)

    def complete(self, *, norms: bool = False) -> HashedFile:
        """Transfer what is missing; return the digests of the whole.

        Bytes that are not those which the hub lists are not the miner's doing: they are
        fetched once more, and then it is the hub that is at fault.

        Raises:
            ModelRejected: ``bad_header``, when the bytes are what the hub lists.
            StoreUnavailable: They cannot be had.
            OSError: The disk refused.
        """
        for _ in range(2):
            hasher = self._pass_over(norms=norms)
            if hasher is not None:
                return hasher.finish()
            self.forget()
        raise StoreUnavailable(
            f"{self._repo}: the hub serves other bytes of {self._file.listed.path} than it lists"
        )

    def _pass_over(self, *, norms: bool) -> FileHasher | None:
        """Hash the whole file; ``None`` when it is not what the hub lists."""
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
        """The file at its beginning; whatever is written goes to its end."""
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
