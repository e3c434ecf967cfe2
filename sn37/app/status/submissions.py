"""The submissions of a hotkey as a leaderboard shows them, from here or from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sn37.app.leaderboard.views import MinerView, SubmissionView
from sn37.domain.ids import Block, EntryKey, Hotkey

DETAILED = 3  # newest submissions that are read whole; each is a request


class Pages(Protocol):
    """Pages of a leaderboard; methods return ``None`` for what is not in its record."""

    def miner(self, hotkey: Hotkey) -> MinerView | None: ...

    def submission(self, key: EntryKey) -> SubmissionView | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HotkeyStatus:
    """A miner, and its newest submissions whole, the newest first."""

    miner: MinerView
    submissions: tuple[SubmissionView, ...]


def submissions_of(pages: Pages, hotkey: Hotkey) -> HotkeyStatus | None:
    """Return the status of a hotkey; ``None`` if the record does not have it.

    Raises:
        PortError: The pages cannot be read.
    """
    miner = pages.miner(hotkey)
    if miner is None:
        return None
    keys = (
        EntryKey(hotkey, Block(line.model.committed.block)) for line in miner.submissions[:DETAILED]
    )
    views = (pages.submission(key) for key in keys)
    return HotkeyStatus(miner=miner, submissions=tuple(v for v in views if v is not None))
