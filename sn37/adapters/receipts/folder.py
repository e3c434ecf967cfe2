"""Rounds in a folder: one folder for each round, ``COMPETITION-BLOCK``, one file a document.

``statement.json`` is the validator's statement on the whole round, ``HOTKEY-BLOCK.json`` the
receipt of one entry. A round appears complete, by one rename.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sn37.domain.ids import Block, CompetitionId, EntryKey, RoundKey
from sn37.durable import rename_whole
from sn37.ports.errors import OfferRefused, ReceiptsUnavailable
from sn37.ports.receipt_source import OfferedRound

if TYPE_CHECKING:
    from sn37.ports.receipt_source import PublishedRounds, ReceiptSource

_T = TypeVar("_T")

# A receipt of 5,000 samples has 3 MB, a statement on 256 members 0.25 MB.
MAX_FILE_BYTES = 2**25
MAX_ROUND_BYTES = 2**28
MAX_ROUNDS = 20_000  # in a folder: more than a year of two competitions
STATEMENT = "statement.json"
_ROUND = re.compile(r"(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,14})")
_RECEIPT = re.compile(r"[A-Za-z0-9]{1,64}-[0-9]{1,15}\.json")
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
        folder = self._folder / _folder_name(round_)
        statement, receipts = _read(folder / STATEMENT), list[bytes]()
        size_bytes = len(statement)
        for path in sorted(p for p in folder.iterdir() if _RECEIPT.fullmatch(p.name)):
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
            return _read(self._folder / _folder_name(round_) / STATEMENT)

    def receipt(self, round_: RoundKey, entry: EntryKey) -> bytes | None:
        name = f"{entry.hotkey}-{entry.block}.json"
        if not _RECEIPT.fullmatch(name):
            return None
        with _translated(self.name):
            try:
                return _read(self._folder / _folder_name(round_) / name)
            except FileNotFoundError:
                return None


def receipts_in(folders: Iterable[Path]) -> tuple[FolderReceipts, ...]:
    """Return the sources for several folders, each of one validator."""
    return tuple(map(FolderReceipts, folders))


def write_round(
    folder: Path, round_: RoundKey, statement: bytes, receipts: Mapping[EntryKey, bytes]
) -> bool:
    """Write a round to the folder, unless it is there with its statement; True if it is new.

    A round that an interrupted copy or a power failure left incomplete is written again.

    Raises:
        OSError: The folder cannot be written; no round that looks complete is left.
    """
    home = folder / _folder_name(round_)
    if _is_complete(home):
        return False
    partial = home.with_name(home.name + _PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    files = {f"{entry.hotkey}-{entry.block}.json": content for entry, content in receipts.items()}
    for name, content in (*files.items(), (STATEMENT, statement)):
        (partial / name).write_bytes(content)
    if home.is_dir():
        shutil.rmtree(home)
    rename_whole(partial, home)
    return True


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
        if (match := _ROUND.fullmatch(path.name)) and path.is_dir():
            found.append(RoundKey(CompetitionId(int(match[1])), Block(int(match[2]))))
    return tuple(sorted(found))


def _folder_name(round_: RoundKey) -> str:
    return f"{round_.competition}-{round_.sync_block}"


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
