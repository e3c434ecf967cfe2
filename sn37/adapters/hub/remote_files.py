"""Files of a revision on the hub, read as far as admission needs them. Child side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sn37.adapters.admission.digest import HashedFile
from sn37.adapters.admission.files import ListedFile
from sn37.adapters.admission.header import PREFIX_BYTES, Header, header_bytes, parse_header
from sn37.adapters.hub.download import Download
from sn37.adapters.hub.hub_requests import HubHost, Listing
from sn37.adapters.hub.transfer_messages import Connection
from sn37.domain.submission.digests import FileDigest
from sn37.ports.errors import ModelRejected, StoreUnavailable

PARALLEL_FILES = 4  # one connection each; hashing keeps a core busy at 0.7 GiB/s
FIRST_BYTES = 1 << 16  # of each weight file: the header of most shards


class HubSource:
    """The source of what admission reads before the weights: small files and weight headers."""

    def __init__(
        self,
        host: HubHost,
        connection: Connection,
        repo: str,
        listing: Listing,
        folder: Path,
    ) -> None:
        self.remote = {file.listed.path: file for file in listing.files}
        self.hashed: dict[str, HashedFile] = {}
        self._host = host
        self._pause_s = connection.pause_s
        self._repo = repo
        self._commit = listing.commit
        self._folder = folder

    @property
    def listed(self) -> tuple[ListedFile, ...]:
        return tuple(file.listed for file in self.remote.values())

    def download(self, file: ListedFile, folder: Path | None = None) -> Download:
        """Return the transfer of one file whose name has been admitted."""
        return Download(
            self._host,
            self._repo,
            self._commit,
            self.remote[file.path],
            (folder or self._folder) / file.path,
            pause_s=self._pause_s,
        )

    def text(self, file: ListedFile) -> bytes:
        """See ``FileSource.text``."""
        self.complete([file])
        return self.download(file).head(file.size_bytes)

    def header(self, file: ListedFile) -> Header:
        """See ``FileSource.header``."""
        try:
            return self._header(file)
        except ModelRejected:
            # The bytes may not be the miner's. Reject only if the hub serves them twice.
            download = self.download(file)
            seen = download.head(download.present_bytes)
            download.forget()
        try:
            return self._header(file)
        except ModelRejected as refused:
            if download.head(len(seen)) == seen:
                raise
            download.forget()
            raise StoreUnavailable(f"the hub serves {file.path} with changing content") from refused

    def complete(
        self, files: Sequence[ListedFile], *, folder: Path | None = None, norms: bool = False
    ) -> None:
        """Transfer whole files and hash them, several at a time."""
        missing = [file for file in files if file.path not in self.hashed]
        with ThreadPoolExecutor(PARALLEL_FILES) as pool:
            for hashed in pool.map(
                lambda file: self.download(file, folder).complete(norms=norms), missing
            ):
                self.hashed[hashed.path] = hashed

    def digest(self, file: ListedFile) -> FileDigest | None:
        """Return the measured digest, or the listed one for a file that has not been read yet."""
        if file.path in self.hashed:
            sha256: str | None = self.hashed[file.path].sha256
        else:
            sha256 = self.remote[file.path].sha256
        return FileDigest(file.path, file.size_bytes, sha256) if sha256 else None

    def _header(self, file: ListedFile) -> Header:
        download = self.download(file)
        head = download.head(FIRST_BYTES)
        stop = PREFIX_BYTES + header_bytes(head, file.size_bytes)
        if stop > len(head):
            head = download.head(stop)
        return parse_header(head[PREFIX_BYTES:stop], file.size_bytes)
