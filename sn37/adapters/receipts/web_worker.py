"""Process that reads the rounds of a web server into a folder. One order, then reports."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sn37.adapters.receipts.listing import (
    INDEX,
    LISTING,
    MAX_INDEX_BYTES,
    MAX_LISTING_BYTES,
    ListedDocument,
    ListedRound,
    digest_of,
    folder_name,
    is_here,
    read_index,
    read_listing,
    round_of,
)
from sn37.adapters.receipts.web_messages import (
    WebOrder,
    decode_order,
    encode_failure,
    encode_progress,
)
from sn37.adapters.receipts.web_requests import WebHost
from sn37.domain.ids import RoundKey
from sn37.durable import rename_whole, write_whole
from sn37.ports.errors import PortError, ReceiptsUnavailable, ReceiptsUnreachable

MAX_MEMORY_BYTES = 600 << 20  # several files of 32 MiB at a time
THREADS = 8  # each request waits for the server
_PARTIAL = ".partial"


def main() -> None:
    """Carry out one order."""
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    order = decode_order(sys.stdin.buffer.readline())
    try:
        with WebHost(order.address, pause_s=order.pause_s) as host:
            _carry_out(host, order)
    except PortError as error:
        _send(encode_failure(error))
    except OSError as error:  # no space, no permission
        message = f"{order.folder}: {error.strerror or error}"
        _send(encode_failure(ReceiptsUnavailable(message)))
    os._exit(0)  # threads of other files may still wait


def _carry_out(host: WebHost, order: WebOrder) -> None:
    folder = Path(order.folder)
    if order.rounds is None:
        fetch_index(host, folder)
        _send(encode_progress())
        return
    index = read_index((folder / INDEX).read_bytes())
    for name in order.rounds:
        key = round_of(name)
        if key is not None and key in index:
            fetch_round(host, folder, key, index[key])
        _send(encode_progress())


def fetch_index(host: WebHost, folder: Path) -> None:
    """Fetch the index, and remove rounds that it does not name any more.

    Raises:
        OfferRefused: It is not an index, or the disk has no room for half of what it names.
        ReceiptsUnavailable, OSError: As ``fetch_round``.
    """
    data = host.get(INDEX, limit_bytes=MAX_INDEX_BYTES)
    index = read_index(data)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        key = round_of(path.name.removesuffix(_PARTIAL))
        if path.is_dir() and (key is None or key not in index):
            shutil.rmtree(path)
    missing = sum(
        listed.size_bytes for key, listed in index.items() if not is_here(folder, key, listed)
    )
    if missing > (free := shutil.disk_usage(folder).free) // 2:
        raise ReceiptsUnavailable(
            f"the rounds take {missing:,} bytes, more than half of the {free:,} that are free"
        )
    write_whole(folder / INDEX, data)


def fetch_round(host: WebHost, folder: Path, key: RoundKey, listed: ListedRound) -> None:
    """Fetch a round; files that an interrupted attempt has fetched are kept.

    Raises:
        OfferRefused: Its list or a file cannot be part of an offer.
        ReceiptsUnavailable: It cannot be read; ``ReceiptsUnreachable`` if another try may help.
        OSError: The folder cannot be written.
    """
    if is_here(folder, key, listed):
        return
    name = folder_name(key)
    data = host.get(f"{name}/{LISTING}", limit_bytes=MAX_LISTING_BYTES)
    if digest_of(data) != listed.listing:
        raise _changed(f"{name}/{LISTING}")
    documents = read_listing(data)
    partial = folder / f"{name}{_PARTIAL}"
    partial.mkdir(exist_ok=True)
    for path in partial.iterdir():
        if path.name not in documents:
            path.unlink()

    def fetch(entry: tuple[str, ListedDocument]) -> None:
        file, expected = entry
        target = partial / file
        if target.is_file() and digest_of(target.read_bytes()) == expected.sha256:
            return
        content = host.get(f"{name}/{file}", limit_bytes=expected.size_bytes)
        if digest_of(content) != expected.sha256:
            raise _changed(f"{name}/{file}")
        write_whole(target, content)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(fetch, documents.items()))
    (partial / LISTING).write_bytes(data)
    home = folder / name
    if home.is_dir():
        shutil.rmtree(home)
    rename_whole(partial, home)


def _changed(file: str) -> ReceiptsUnreachable:
    return ReceiptsUnreachable(
        f"{file} is not the file that the index names: it changed while it was read, or is damaged"
    )


def _send(report: bytes) -> None:
    sys.stdout.buffer.write(report)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
