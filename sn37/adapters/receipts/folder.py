"""Rounds in a folder: one folder for each round, ``COMPETITION-BLOCK``, one file a document.

``statement.json`` is the validator's statement on the whole round, ``HOTKEY-BLOCK.json`` the
receipt of one entry. A round appears complete, by one rename. Lists for readers of a web server
lie beside them, see ``listing``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sn37.adapters.receipts.listing import (
    INDEX,
    LISTING,
    MAX_FILE_BYTES,
    MAX_ROUND_BYTES,
    MAX_ROUNDS,
    RECEIPT,
    STATEMENT,
    ListedRound,
    digest_of,
    folder_name,
    index_of,
    listing_of,
    read_listing,
    round_of,
)
from sn37.domain.ids import EntryKey, RoundKey
from sn37.durable import rename_whole, write_whole
from sn37.ports.errors import OfferRefused, ReceiptsUnavailable
from sn37.ports.receipt_source import OfferedRound

if TYPE_CHECKING:
    from sn37.ports.receipt_source import PublishedRounds, ReceiptSource

_T = TypeVar("_T")

_PARTIAL = ".partial"


class FolderReceipts:
    """Rounds in a folder that this machine or another has written.

    Only ordinary files are opened: a pipe would hang, and a link could lead outside.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        return str(self._folder)

    async def index(self) -> tuple[RoundKey, ...]:
        return await self._in_thread(self._index)

    async def fetch(self, round_: RoundKey) -> OfferedRound:
        return await self._in_thread(lambda: self._fetch(round_))

    def _index(self) -> tuple[RoundKey, ...]:
        return _rounds_in(self._folder)

    def _fetch(self, round_: RoundKey) -> OfferedRound:
        folder = self._folder / folder_name(round_)
        statement, receipts = _read(folder / STATEMENT), list[bytes]()
        size_bytes = len(statement)
        for path in sorted(p for p in folder.iterdir() if RECEIPT.fullmatch(p.name)):
            receipts.append(_read(path))
            size_bytes += len(receipts[-1])
            if size_bytes > MAX_ROUND_BYTES:
                raise OfferRefused(f"{folder}: larger than {MAX_ROUND_BYTES // 2**20} MiB")
        return OfferedRound(statement=statement, receipts=tuple(receipts))

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        with _translated(self.name):
            return await asyncio.to_thread(work)


class FolderRounds:
    """Single documents of the rounds in a folder, see ``PublishedRounds``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        return str(self._folder)

    def index(self) -> tuple[RoundKey, ...]:
        with _translated(self.name):
            return _rounds_in(self._folder)

    def statement(self, round_: RoundKey) -> bytes:
        with _translated(self.name):
            return _read(self._folder / folder_name(round_) / STATEMENT)

    def receipt(self, round_: RoundKey, entry: EntryKey) -> bytes | None:
        name = f"{entry.hotkey}-{entry.block}.json"
        if not RECEIPT.fullmatch(name):
            return None
        with _translated(self.name):
            try:
                return _read(self._folder / folder_name(round_) / name)
            except FileNotFoundError:
                return None


def write_round(
    folder: Path, round_: RoundKey, statement: bytes, receipts: Mapping[EntryKey, bytes]
) -> bool:
    """Write a round to the folder, unless it is there with its statement; True if it is new.

    A round that an interrupted copy or a power failure left incomplete is written again.

    Raises:
        OSError: The folder cannot be written; no round that looks complete is left.
    """
    home = folder / folder_name(round_)
    if _is_complete(home):
        return False
    partial = home.with_name(home.name + _PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    files = {f"{entry.hotkey}-{entry.block}.json": content for entry, content in receipts.items()}
    files[STATEMENT] = statement
    for name, content in ((LISTING, listing_of(files)), *files.items()):
        (partial / name).write_bytes(content)
    if home.is_dir():
        shutil.rmtree(home)
    rename_whole(partial, home)
    return True


def write_index(folder: Path) -> None:
    """Write the index of all complete rounds of a folder, which this program has written.

    Rounds that an older version wrote get a list of their documents.

    Raises:
        OSError: The folder cannot be written; the index is the one before.
    """
    rounds: dict[str, ListedRound] = {}
    for home in folder.iterdir() if folder.is_dir() else ():
        if round_of(home.name) is None or not _is_complete(home):
            continue
        listing = home / LISTING
        if not listing.is_file():
            names = (p.name for p in home.iterdir())
            kept = [n for n in names if n == STATEMENT or RECEIPT.fullmatch(n)]
            write_whole(listing, listing_of({n: (home / n).read_bytes() for n in kept}))
        data = listing.read_bytes()
        size_bytes = sum(listed.size_bytes for listed in read_listing(data).values())
        rounds[home.name] = ListedRound(digest_of(data), size_bytes)
    if rounds:
        write_whole(folder / INDEX, index_of(rounds))


def _is_complete(home: Path) -> bool:
    statement = home / STATEMENT  # written last
    return statement.is_file() and statement.stat().st_size > 0


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReceiptsUnavailable(f"{error.filename or name}: {error.strerror or error}") from error


def _rounds_in(folder: Path) -> tuple[RoundKey, ...]:
    found = []
    for number, path in enumerate(folder.iterdir()):
        if number == MAX_ROUNDS:
            raise OfferRefused(f"{folder}: more than {MAX_ROUNDS:,} rounds")
        if (key := round_of(path.name)) is not None and path.is_dir():
            found.append(key)
    return tuple(sorted(found))


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OfferRefused(f"{path}: not an ordinary file")
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise OfferRefused(f"{path}: larger than {MAX_FILE_BYTES // 2**20} MiB")
    return content


if TYPE_CHECKING:
    _source: ReceiptSource = FolderReceipts(Path())
    _rounds: PublishedRounds = FolderRounds(Path())
