"""The documents of the JSON interface."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from sn37.app.leaderboard.leaderboard import Leaderboard
from sn37.app.receipts.files import publish
from sn37.app.web.site import NotFoundError
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.records.receipt import SignedReceipt

_ADAPTERS: dict[type, TypeAdapter[Any]] = {}  # each is slow to make


class Documents:
    """Makes each document. Errors as those of ``Site``."""

    def __init__(self, leaderboard: Leaderboard) -> None:
        self._leaderboard = leaderboard

    def overview(self) -> bytes:
        return dumped(self._leaderboard.overview())

    def competition(self, competition: int, page: int = 1) -> bytes:
        return _found(self._leaderboard.competition(CompetitionId(competition), page))

    def rounds(self, competition: int, page: int = 1) -> bytes:
        return _found(self._leaderboard.rounds(CompetitionId(competition), page))

    def round(self, competition: int, block: int) -> bytes:
        return _found(self._leaderboard.round(CompetitionId(competition), Block(block)))

    def submissions(self, competition: int | None, page: int = 1) -> bytes:
        known = None if competition is None else CompetitionId(competition)
        return dumped(self._leaderboard.submissions(known, page))

    def search(self, text: str) -> bytes:
        return dumped(self._leaderboard.search(text))

    def submission(self, hotkey: str, block: int, page: int = 1) -> bytes:
        return _found(self._leaderboard.submission(EntryKey(Hotkey(hotkey), Block(block)), page))

    def miner(self, hotkey: str) -> bytes:
        return _found(self._leaderboard.miner(Hotkey(hotkey)))

    def validator(self) -> bytes:
        return dumped(self._leaderboard.validator())

    def statement(self, competition: int, block: int) -> bytes:
        round_ = RoundKey(CompetitionId(competition), Block(block))
        return _published(self._leaderboard.statement(round_))

    def receipt(self, competition: int, block: int, hotkey: str, committed: int) -> bytes:
        round_ = RoundKey(CompetitionId(competition), Block(block))
        entry = EntryKey(Hotkey(hotkey), Block(committed))
        return _published(self._leaderboard.receipt(round_, entry))


def dumped(view: object) -> bytes:
    """Return a view as JSON."""
    kind = type(view)
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind].dump_json(view)


def _found(view: object | None) -> bytes:
    if view is None:
        raise NotFoundError("not in this validator's record")
    return dumped(view)


def _published(signed: SignedReceipt | None) -> bytes:
    if signed is None:
        raise NotFoundError("this document does not exist, or it was removed")
    return publish(signed)
