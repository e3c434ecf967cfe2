"""Fetching one repository, cheapest check first. Child side.

Each step may refuse before the next one spends anything: the listing (one request), the
configuration, the headers of the weights by range, the other small files, the commitment's
hash from what the hub lists, and only then the weights.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sn37.adapters.admission.admit import inspect_listed, summarize
from sn37.adapters.admission.digest import HashedFile
from sn37.adapters.admission.facts import FILES, StoredFacts, check_bound
from sn37.adapters.admission.files import (
    ListedFile,
    documentation,
    tokenizer_files,
    weight_files,
)
from sn37.adapters.admission.header import PREFIX_BYTES, Header, header_bytes, parse_header
from sn37.adapters.hub.download import Download
from sn37.adapters.hub.host import HubHost, Listing
from sn37.adapters.hub.orders import Connection, FetchOrder, TokenizerOrder
from sn37.domain.commitment import Commitment, CommitmentFormat
from sn37.domain.digests import FileDigest, content_digest, directory_hash
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelNotPublic, ModelRejected, StoreFull, StoreUnavailable

PARALLEL_FILES = 4  # a connection each; hashing keeps a core busy at 0.7 GiB/s
FIRST_BYTES = 1 << 16  # of the weights: the header of most shards
SPARE_BYTES = 1 << 30  # left free on the disk for everybody else
_DOCUMENTS = "documents"


class HubSource:
    """What admission reads before the weights: small files whole, of the large their heads."""

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
        """The transfer of one file whose name has been admitted."""
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
            # Nothing says yet that these are the miner's bytes. The same ones twice do.
            download = self.download(file)
            seen = download.head(download.present_bytes)
            download.forget()
        try:
            return self._header(file)
        except ModelRejected as refused:
            if download.head(len(seen)) == seen:
                raise
            download.forget()
            raise StoreUnavailable(f"the hub serves {file.path} in many ways") from refused

    def complete(
        self, files: Sequence[ListedFile], *, folder: Path | None = None, norms: bool = False
    ) -> None:
        """Bring whole files to disk and hash them, several at a time."""
        missing = [file for file in files if file.path not in self.hashed]
        with ThreadPoolExecutor(PARALLEL_FILES) as pool:
            for hashed in pool.map(
                lambda file: self.download(file, folder).complete(norms=norms), missing
            ):
                self.hashed[hashed.path] = hashed

    def digest(self, file: ListedFile) -> FileDigest | None:
        """Measured, or as the hub lists it for a file that has not been read yet."""
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


def fetch(
    host: HubHost, connection: Connection, order: FetchOrder, announce: Callable[[int], None]
) -> None:
    """Bring a committed model to ``order.home``, which appears whole or not at all.

    Raises:
        ModelRejected: The reason of the first check that fails; nothing is left behind.
        ModelNotPublic: The repository cannot be read; nothing is left behind either.
        StoreFull: The quota or the disk has no room for it.
        StoreUnavailable: The hub does not answer. What has come so far is kept.
        OSError: The disk refused.
    """
    partial = Path(order.partial)
    with _held(partial, FILES, _DOCUMENTS):
        try:
            facts = _fetch(host, connection, order, announce)
        except (ModelRejected, ModelNotPublic):
            shutil.rmtree(partial)
            raise
        except MemoryError as error:
            # The limit is our own (a host that runs short kills instead), and the little that
            # we hold beside what the files make us hold is far below it.
            shutil.rmtree(partial)
            raise ModelRejected(
                "checking the files takes more memory than a transfer may have",
                reason=Reason.MEMORY,
            ) from error
        facts.write(partial)
        shutil.rmtree(partial / _DOCUMENTS)
        _move(partial, Path(order.home))


def fetch_tokenizer(host: HubHost, connection: Connection, order: TokenizerOrder) -> None:
    """Bring the tokenizer of a repository to ``order.home``; other files are left there.

    A revision that is a branch means its newest commit, once: the schedule's check warns.

    Raises:
        ModelNotPublic: The repository cannot be read.
        ModelRejected: A file is too large to be a tokenizer's.
        StoreUnavailable: The hub; what has come so far is kept.
        OSError: The disk refused.
    """
    partial = Path(order.partial)
    with _held(partial):
        listing = host.listing(order.repo, order.revision)
        source = HubSource(host, connection, order.repo, listing, partial)
        source.complete(tokenizer_files(source.listed))
        _move(partial, Path(order.home))


def _fetch(
    host: HubHost, connection: Connection, order: FetchOrder, announce: Callable[[int], None]
) -> StoredFacts:
    partial = Path(order.partial)
    ref = order.commitment.model
    listing = host.public(ref.repo, ref.revision)
    source = HubSource(host, connection, ref.repo, listing, partial / FILES)
    inspected = inspect_listed(source.listed, source, order.constraints)
    documents = documentation(source.listed)
    names = weight_files([file.path for file in inspected.files])
    weights = [file for file in inspected.files if file.path in names]
    source.complete([file for file in inspected.files if file.path not in names])
    source.complete(documents, folder=partial / _DOCUMENTS)
    _check_listed_commitment(order.commitment, source, inspected.files, documents)

    size_bytes = sum(file.size_bytes for file in inspected.files)
    present_bytes = sum(source.download(file).present_bytes for file in weights)
    _check_room(order, size_bytes, present_bytes)
    announce(size_bytes)
    from sn37.adapters.admission.weights import check_weights  # numpy: a refusal does without

    source.complete(weights, norms=True)
    hashed = [source.hashed[file.path] for file in inspected.files]
    admitted = summarize(inspected, hashed)
    digests = {file.path: file.sha256 for file in source.hashed.values()}
    facts = StoredFacts.of(admitted, directory_hash(digests))
    facts.artifact(order.commitment, order.constraints, partial)  # or it is refused
    check_weights((tensor for file in hashed for tensor in file.tensors), order.constraints.norms)
    return facts


def _check_listed_commitment(
    commitment: Commitment,
    source: HubSource,
    files: Sequence[ListedFile],
    documents: Sequence[ListedFile],
) -> None:
    """Refuse a copied or stale hash before the weights, from the sha256 that the hub lists.

    Weights outside Git LFS have none; they are found out afterwards.
    """
    v1 = commitment.format is CommitmentFormat.V1
    digests = [source.digest(file) for file in (*files, *(documents if v1 else ()))]
    known = [digest for digest in digests if digest is not None]
    if len(known) < len(digests):
        return
    listed = directory_hash({d.path: d.sha256 for d in known}) if v1 else content_digest(known)
    check_bound(commitment, listed)


def _check_room(order: FetchOrder, size_bytes: int, present_bytes: int) -> None:
    if size_bytes > order.room_bytes:
        raise StoreFull(
            f"the disk quota leaves {order.room_bytes:,} bytes, the model has {size_bytes:,}"
        )
    free_bytes = shutil.disk_usage(order.partial).free - order.claimed_bytes
    if size_bytes - present_bytes + SPARE_BYTES > free_bytes:
        raise StoreFull(
            f"{free_bytes:,} bytes are free where models are kept, a model of {size_bytes:,} "
            f"needs {SPARE_BYTES:,} beside it"
        )


@contextmanager
def _held(partial: Path, *folders: str) -> Iterator[None]:
    """A folder of which no other process makes the same use meanwhile."""
    for name in folders:
        (partial / name).mkdir(parents=True, exist_ok=True)
    partial.mkdir(parents=True, exist_ok=True)
    handle = os.open(partial, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise StoreUnavailable("another process is fetching this model") from error
    finally:
        os.close(handle)


def _move(partial: Path, home: Path) -> None:
    """Make a finished folder visible, once its content is on the disk for good."""
    home.parent.mkdir(parents=True, exist_ok=True)
    for folder in (*(p for p in partial.iterdir() if p.is_dir()), partial):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    partial.rename(home)
