"""Health of the validator, for monitoring: whether it lives and follows the chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import sn37
from sn37.domain.canonical import JsonValue
from sn37.domain.events import (
    ENDS_OUTAGE,
    Degraded,
    Event,
    HeadAdvanced,
    Recovered,
    WarmingUp,
    WeightsSubmitted,
)
from sn37.domain.ids import Block, CompetitionId
from sn37.ports.clock import Clock

if TYPE_CHECKING:
    from sn37.ports.telemetry import EventSink

MAX_HEAD_AGE_S = 600.0  # 50 blocks without a finalized one: the chain or the connection is down
# A report of an outage includes the time of the next attempt. If it is not repeated by then, plus
# this time for the attempt itself, the outage is over, unless its end was reported before.
ATTEMPT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Outage of a dependency."""

    since: datetime
    error: str
    over_at: float  # monotonic, unless it is reported again


class HealthBoard:
    """Content of the health pages, collected from events. Other threads read it."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.now()
        self._head: tuple[Block, float] | None = None  # with its monotonic arrival time
        self._outages: Mapping[str, Outage] = {}
        self._warm_up: Mapping[CompetitionId, int] = {}  # rounds left

    def emit(self, event: Event) -> None:
        match event:
            case HeadAdvanced(head=head):
                self._head = (head.number, self._clock.monotonic())
            case Degraded(what=what, error=error, retry_in_s=pause_s):
                known = self.outages().get(what)
                outage = Outage(
                    since=known.since if known else self._clock.now(),
                    error=error,
                    over_at=self._clock.monotonic() + pause_s + ATTEMPT_S,
                )
                self._outages = {**self.outages(), what: outage}
            case WarmingUp(rounds_left=left):
                self._warm_up = left
            case Recovered(what=what):
                self._end(what)
            case WeightsSubmitted():
                self._warm_up = {}
        if (ended := ENDS_OUTAGE.get(type(event))) is not None:
            self._end(ended)

    def _end(self, what: str) -> None:
        if what in self._outages:
            self._outages = {w: o for w, o in self._outages.items() if w != what}

    def outages(self) -> Mapping[str, Outage]:
        """Return the current outages by dependency."""
        now = self._clock.monotonic()
        return {what: o for what, o in self._outages.items() if now < o.over_at}

    def outages_s(self) -> Mapping[str, float]:
        """Return the seconds since each dependency that fails began to."""
        now = self._clock.now()
        return {what: (now - o.since).total_seconds() for what, o in self.outages().items()}

    def not_ready(self) -> str:
        """Return why the validator does not follow its chain; empty if it does."""
        if self._head is None:
            return "no block has been seen yet"
        age_s = self._clock.monotonic() - self._head[1]
        if age_s > MAX_HEAD_AGE_S:
            return f"the newest block arrived {age_s:.0f} s ago"
        return ""

    def status(self) -> str:
        """Return one line for a service manager."""
        block = f"block {self._head[0]}" if self._head else "starting"
        failing = "".join(
            f"; {what} degraded since {o.since:%Y-%m-%d %H:%M} UTC"
            for what, o in sorted(self.outages().items())
        )
        warm_up = max(self._warm_up.values(), default=0)
        warming = f"; weights in {warm_up} rounds (warm-up)" if warm_up else ""
        return f"{block}{warming}{failing}"

    def document(self, *, silent_s: float) -> dict[str, JsonValue]:
        """Return everything known, as JSON.

        Args:
            silent_s: Seconds since the event loop last ran.
        """
        number, came = self._head or (None, None)
        return {
            "version": sn37.__version__,
            "started_at": self._started.isoformat(timespec="seconds"),
            "loop_silent_s": round(silent_s, 1),
            "block": number,
            "block_age_s": None if came is None else round(self._clock.monotonic() - came, 1),
            "warm_up_rounds_left": {str(c): left for c, left in self._warm_up.items()},
            "degraded": {
                what: {"since": o.since.isoformat(timespec="seconds"), "error": o.error}
                for what, o in sorted(self.outages().items())
            },
        }


if TYPE_CHECKING:
    _: type[EventSink] = HealthBoard
