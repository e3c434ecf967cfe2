"""The story of a run in lines, which the console and the log have in common.

Most lines are those of ``wording``. Some events do not have a line each time: a head has one every
hour, a step of the set-up one for each quarter. An outage has a line when it begins, one every
quarter of an hour while it lasts, and one when it is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sn37.adapters.telemetry import wording
from sn37.adapters.telemetry.wording import Labels
from sn37.domain.events import (
    ENDS_OUTAGE,
    Cautioned,
    ColdStarted,
    Degraded,
    Event,
    HeadAdvanced,
    Recovered,
    SetUpAdvanced,
    SharesWithheld,
    ViewAged,
)
from sn37.domain.ids import Block

HEADS_EVERY = timedelta(hours=1)
OUTAGES_EVERY = timedelta(minutes=15)
QUARTERS = 4  # of a step of the set-up

_WARNINGS = (Cautioned, Degraded, SharesWithheld, ViewAged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line, and when it was said."""

    at: datetime
    block: Block | None  # the newest block at that time; ``None`` before the first
    text: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outage:
    since: datetime
    said: datetime


class Story:
    """Turns events into lines. Remembers the newest block, and which outages last."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._head_said: datetime | None = None
        self._outages: dict[str, _Outage] = {}
        self._quarters: dict[str, int] = {}  # of steps of the set-up, said so far
        self.block: Block | None = None  # the newest

    def tell(self, event: Event, at: datetime) -> tuple[Line, ...]:
        """Return the lines of an event that happened at ``at``; usually one, or none."""
        match event:
            case HeadAdvanced() | ViewAged():
                self.block = event.head.number
            case ColdStarted() if self.block is None:
                self.block = event.beginning.block
        return tuple(
            Line(at=at, block=self.block, text=text, is_warning=isinstance(event, _WARNINGS))
            for text in self._texts(event, at)
        )

    def _texts(self, event: Event, at: datetime) -> Iterator[str]:
        match event:
            case HeadAdvanced():
                if self._head_said is None or at - self._head_said >= HEADS_EVERY:
                    self._head_said = at
                    yield wording.following(event)
                return
            case SetUpAdvanced(what=what, done=done, total=total):
                quarter = QUARTERS * done // max(total, 1)
                if quarter != self._quarters.get(what):
                    self._quarters[what] = quarter
                    yield wording.set_up(event)
                return
            case Degraded(what=what) if self._is_said(what, at):
                return
            case Recovered(what=what):
                yield self._recovered(what, at)
                return
        if (ended := ENDS_OUTAGE.get(type(event))) in self._outages:
            yield self._recovered(str(ended), at)
        if (said := wording.line(event, self._labels)) is not None:
            yield said

    def _is_said(self, what: str, at: datetime) -> bool:
        """True if a line about this outage is new enough; otherwise it will be said now."""
        known = self._outages.get(what)
        if known is not None and at - known.said < OUTAGES_EVERY:
            return True
        self._outages[what] = _Outage(since=known.since if known else at, said=at)
        return False

    def _recovered(self, what: str, at: datetime) -> str:
        known = self._outages.pop(what, None)
        return wording.recovered(what, None if known is None else at - known.since)
