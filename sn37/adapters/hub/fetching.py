"""Fetch one repository, cheapest check first. Child side.

Each check can reject the model before the next, more expensive one starts: the listing (one
request), the configuration, the headers of the weights by range, the other small files, the
commitment's hash from the hub's listing, and only then the weights.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sn37.adapters.admission.admit import inspect_listed, summarize
from sn37.adapters.admission.files import (
    ListedFile,
    documentation,
    tokenizer_files,
    weight_files,
)
from sn37.adapters.admission.stored_facts import FILES, StoredFacts, check_bound
from sn37.adapters.hub.hub_requests import HubHost
from sn37.adapters.hub.remote_files import HubSource
from sn37.adapters.hub.transfer_messages import Connection, FetchOrder, TokenizerOrder
from sn37.domain.reasons import Reason
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.digests import content_digest, directory_hash
from sn37.durable import rename_whole
from sn37.ports.errors import ModelNotPublic, ModelRejected, StoreFull, StoreUnavailable

SPARE_BYTES = 1 << 30  # left free on the disk for other uses
_DOCUMENTS = "documents"


def fetch(
    host: HubHost, connection: Connection, order: FetchOrder, announce: Callable[[int], None]
) -> None:
    """Fetch a committed model to ``order.home``, which appears complete or not at all.

    Raises:
        ModelRejected: The reason of the first check that fails; all files are deleted.
        ModelNotPublic: The repository cannot be read; all files are deleted.
        StoreFull: The quota or the disk has no room for it.
        StoreUnavailable: The hub does not answer. Files transferred so far are kept.
        OSError: The disk cannot be read or written.
    """
    partial = Path(order.partial)
    with held(partial, FILES, _DOCUMENTS):
        try:
            facts = _fetch(host, connection, order, announce)
        except (ModelRejected, ModelNotPublic):
            shutil.rmtree(partial)
            raise
        except MemoryError as error:
            # The memory limit is our own: a host without free memory kills the process instead.
            # Our own memory is far below the limit, so the files caused this.
            shutil.rmtree(partial)
            raise ModelRejected(
                "checking the files takes more memory than a transfer process may use",
                reason=Reason.MEMORY,
            ) from error
        facts.write(partial)
        shutil.rmtree(partial / _DOCUMENTS)
        _move(partial, Path(order.home))


def fetch_tokenizer(host: HubHost, connection: Connection, order: TokenizerOrder) -> None:
    """Fetch the tokenizer of a repository to ``order.home``; other files are not fetched.

    A branch name means its newest commit, read once: the schedule's check warns about it.

    Raises:
        ModelNotPublic: The repository cannot be read.
        ModelRejected: A file is too large for a tokenizer.
        StoreUnavailable: The hub does not answer. Files transferred so far are kept.
        OSError: The disk cannot be read or written.
    """
    partial = Path(order.partial)
    with held(partial):
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
    from sn37.adapters.admission.weights import check_weights  # numpy: not for a rejection

    source.complete(weights, norms=True)
    hashed = [source.hashed[file.path] for file in inspected.files]
    admitted = summarize(inspected, hashed)
    facts = StoredFacts.of(admitted, {d.path: source.hashed[d.path].sha256 for d in documents})
    facts.artifact(order.commitment, order.constraints, partial)  # raises if the model is rejected
    check_weights((tensor for file in hashed for tensor in file.tensors), order.constraints.norms)
    return facts


def _check_listed_commitment(
    commitment: Commitment,
    source: HubSource,
    files: Sequence[ListedFile],
    documents: Sequence[ListedFile],
) -> None:
    """Reject a copied or outdated hash before the weights, by the sha256 in the hub's listing.

    Weights outside Git LFS have no sha256 there; the check after the transfer covers them.
    """
    v1 = commitment.format is CommitmentFormat.V1
    kinds = (files, (*files, *documents)) if v1 else (files,)
    accepted = []
    for kind in kinds:
        known = [d for d in map(source.digest, kind) if d is not None]
        if len(known) < len(kind):
            return
        accepted.append(
            directory_hash({d.path: d.sha256 for d in known}) if v1 else content_digest(known)
        )
    check_bound(commitment, *accepted)


def _check_room(order: FetchOrder, size_bytes: int, present_bytes: int) -> None:
    if size_bytes > order.room_bytes:
        raise StoreFull(
            f"the disk quota leaves {order.room_bytes:,} bytes, the model needs {size_bytes:,}"
        )
    check_disk(Path(order.partial), size_bytes, present_bytes, order.claimed_bytes)


def check_disk(folder: Path, size_bytes: int, present_bytes: int, claimed_bytes: int = 0) -> None:
    """Check that the disk has room for the missing bytes of a model.

    Args:
        size_bytes: Of the whole model, of which ``present_bytes`` are on disk.
        claimed_bytes: Bytes that running transfers may still take.

    Raises:
        StoreFull: The disk has no room.
    """
    free_bytes = shutil.disk_usage(folder).free - claimed_bytes
    if size_bytes - present_bytes + SPARE_BYTES > free_bytes:
        raise StoreFull(
            f"{free_bytes:,} bytes are free where models are kept; a model of {size_bytes:,} bytes "
            f"needs {SPARE_BYTES:,} bytes more than its own size: free disk space"
        )


@contextmanager
def held(partial: Path, *folders: str) -> Iterator[None]:
    """Lock a folder, so that no other process fetches into it meanwhile."""
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
    """Make a finished folder visible after its content has been flushed to disk."""
    home.parent.mkdir(parents=True, exist_ok=True)
    rename_whole(partial, home)
