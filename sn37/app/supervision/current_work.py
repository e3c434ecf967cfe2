"""Work of a running validator that its record does not have, collected from events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sn37.domain.canonical import JsonValue, fields_as_json
from sn37.domain.events import (
    BlockScored,
    EntryFinished,
    EntryStarted,
    Event,
    LeaderboardServed,
    RoundFinished,
    SetUpAdvanced,
)
from sn37.domain.ids import EntryKey, RoundKey

if TYPE_CHECKING:
    from sn37.ports.telemetry import EventSink


class CurrentWork:
    """The entry that is scored, the preparation before the start, and the pages' address.

    Other threads read it.
    """

    def __init__(self) -> None:
        self._scoring: tuple[RoundKey, EntryKey, int, int] | None = None  # with blocks done, of all
        self._set_up: SetUpAdvanced | None = None
        self._leaderboard: str | None = None

    def emit(self, event: Event) -> None:
        match event:
            case EntryStarted():
                done = event.num_resumed
                self._scoring = (event.round, event.key, done, event.num_blocks)
            case BlockScored():
                self._scoring = (event.round, event.key, event.done, event.num_blocks)
            case EntryFinished() | RoundFinished():
                self._scoring = None
            case SetUpAdvanced():
                self._set_up = event if event.done < event.total else None
            case LeaderboardServed():
                self._leaderboard = event.address

    def document(self) -> Mapping[str, JsonValue]:
        """Return everything known, as JSON."""
        scoring: JsonValue = None
        if self._scoring is not None:
            round_, key, done, num_blocks = self._scoring
            scoring = {
                "competition": round_.competition,
                "sync_block": round_.sync_block,
                "hotkey": key.hotkey,
                "committed": key.block,
                "blocks_done": done,
                "num_blocks": num_blocks,
            }
        return {
            "scoring": scoring,
            "set_up": None if self._set_up is None else fields_as_json(self._set_up),
            "leaderboard": self._leaderboard,
        }


if TYPE_CHECKING:
    _: type[EventSink] = CurrentWork
