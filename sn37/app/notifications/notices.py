"""Events that are worth a message, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sn37.app.actors.alarms import DISK
from sn37.app.supervision.health import HealthBoard, Outage
from sn37.domain.events import (
    Dependency,
    DiskLow,
    Event,
    Recovered,
    RoundFinished,
    WeightsOverdue,
    WeightsSubmitted,
)
from sn37.domain.ids import CompetitionId, EntryKey
from sn37.domain.printable import one_line
from sn37.domain.round.state import RoundResult
from sn37.ports.clock import Clock

_ADDRESS = re.compile(r"\b([a-z]+://)(?:[^\s/@]*@)?([^\s/?#@]*)\S*", re.IGNORECASE)
LONG_S = 60.0  # a shorter outage is not worth a message


class NoticeKind(StrEnum):
    """Kinds of messages; each has a rate limit of its own."""

    CROWN = "crown"
    DEGRADED = "degraded"
    WEIGHTS = "weights"
    DISK = "disk"
    TRIAL = "trial"  # sent by ``sn37 status --test-webhook``


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message: a line with what happened, and one with details. Both are printable."""

    kind: NoticeKind
    title: str
    text: str
    at: datetime


class Notices:
    """Finds the notices in a stream of events."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._board = HealthBoard(clock=clock)
        self._champions: dict[CompetitionId, EntryKey | None] = {}
        self._reported: dict[str, Outage] = {}
        self._is_overdue = False
        self._is_low = False

    def begin(self, champions: Mapping[CompetitionId, EntryKey | None]) -> None:
        """Note who holds the crowns before the first event."""
        self._champions.update(champions)

    def of(self, event: Event) -> Iterator[Notice]:
        """Yield the notices that an event gives rise to, mostly none."""
        self._board.emit(event)
        yield from self._outages()
        match event:
            case RoundFinished(result=result) if result.skipped is None:
                yield from self._crown(result)
            case WeightsOverdue():
                self._is_overdue = True
                newest = f"the newest are of the round of block {event.newest}"
                newest = "none were set yet" if event.newest is None else newest
                text = f"{newest}; newer ones were due by block {event.since}"
                yield self._notice(NoticeKind.WEIGHTS, "weights are overdue", text)
            case WeightsSubmitted() if self._is_overdue:
                self._is_overdue = False
                text = f"those of the round of block {event.sync_block}"
                yield self._notice(NoticeKind.WEIGHTS, "weights are set again", text)
            case DiskLow():
                self._is_low = True
                text = f"{event.free_bytes / 2**20:,.0f} MiB are free in the state folder"
                yield self._notice(NoticeKind.DISK, "the disk is nearly full", text)
            case Recovered(what=what) if what == DISK and self._is_low:
                self._is_low = False
                yield self._notice(NoticeKind.DISK, "the disk has room again", "")

    def _crown(self, result: RoundResult) -> Iterator[Notice]:
        competition, champion = result.key.competition, result.champion
        before = self._champions.get(competition)
        self._champions[competition] = champion
        if champion == before:
            return
        has = "no champion" if champion is None else "a new champion"
        parts = [f"round of block {result.key.sync_block}"]
        if champion is not None:
            parts.append(f"champion {champion.hotkey}")
        for row in (e for e in result.entries if e.key == champion):
            parts.append(f"model {one_line(row.repo, 120)}")
            parts.append("not scored" if row.score is None else f"score {row.score:.4f}")
        parts.append(f"before it {'none' if before is None else before.hotkey}")
        yield self._notice(
            NoticeKind.CROWN, f"competition {competition} has {has}", ", ".join(parts)
        )

    def _outages(self) -> Iterator[Notice]:
        """Yield an outage once it is long, and its end if it was reported."""
        present, now = self._board.outages(), self._clock.now()
        for what, outage in present.items():
            if what not in self._reported and (now - outage.since).total_seconds() >= LONG_S:
                self._reported[what] = outage
                text = f"since {outage.since:%Y-%m-%d %H:%M} UTC: {_without_keys(outage.error)}"
                yield self._notice(_kind_of(what), f"{what} fails", text)
        for what in [known for known in self._reported if known not in present]:
            since = self._reported.pop(what).since
            text = f"it failed since {since:%Y-%m-%d %H:%M} UTC"
            yield self._notice(_kind_of(what), f"{what} works again", text)

    def _notice(self, kind: NoticeKind, title: str, text: str) -> Notice:
        return Notice(
            kind=kind, title=one_line(title, 120), text=one_line(text, 400), at=self._clock.now()
        )


def _without_keys(text: str) -> str:
    """Return a text with the hosts of its addresses alone: what follows may be an access key."""
    return _ADDRESS.sub(r"\1\2", text)


def _kind_of(what: str) -> NoticeKind:
    """Return the kind of an outage: when the state cannot be written, that is the disk."""
    return NoticeKind.DISK if what == Dependency.STATE else NoticeKind.DEGRADED
