"""Heartbeat of the validator, for the watchdog, the service manager and the health pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from sn37.app.supervision.deadlines import Step, Steps
from sn37.app.supervision.health import HealthBoard
from sn37.domain.canonical import JsonValue
from sn37.domain.events import Cautioned
from sn37.ports.clock import Clock
from sn37.ports.telemetry import EventSink

BEAT_S = 1.0
STUCK_S = 120.0  # no call on the event loop takes seconds; see WatchdogSec of the systemd unit


class Watch(Protocol):
    """Watchdog that ends the process when the event loop is blocked."""

    @property
    def silent_s(self) -> float: ...

    def start(self) -> None: ...

    def beat(self) -> None: ...

    def close(self) -> None: ...


class Manager(Protocol):
    """Service manager that started the process."""

    def tell(self, **fields: str) -> None: ...


class Pulse:
    """Heartbeat on the event loop; each beat also checks whether an actor is stuck.

    Args:
        end: Ends the process for the given reason.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        watchdog: Watch,
        manager: Manager,
        board: HealthBoard,
        steps: Steps,
        sink: EventSink,
        end: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._watchdog = watchdog
        self._manager = manager
        self._board = board
        self._steps = steps
        self._sink = sink
        self._end = end
        self._cautioned: tuple[Step, ...] = ()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Open a context in which the watchdog is active."""
        self._watchdog.start()
        try:
            yield
        finally:
            self._watchdog.close()

    async def run(self) -> None:
        """Beat until cancelled; the first beat reports that the service is up."""
        self._manager.tell(READY="1")
        said = ""
        try:
            while True:
                self._watchdog.beat()
                self._manager.tell(WATCHDOG="1")
                self._look_at_steps()
                if (status := self._status()) != said:
                    self._manager.tell(STATUS=status)
                    said = status
                await self._clock.sleep(BEAT_S)
        finally:
            self._manager.tell(STOPPING="1")

    def healthy(self) -> tuple[bool, Mapping[str, JsonValue]]:
        """Return the page /healthz: whether the process works and need not be restarted."""
        return self._alive(), self._document("")

    def ready(self) -> tuple[bool, Mapping[str, JsonValue]]:
        """Return the page /readyz: whether the validator follows its chain."""
        why = self._board.not_ready()
        return self._alive() and not why, self._document(why)

    def pages(self) -> Mapping[str, Callable[[], tuple[bool, Mapping[str, JsonValue]]]]:
        """Return the health pages by path."""
        return {"/healthz": self.healthy, "/readyz": self.ready}

    def _look_at_steps(self) -> None:
        self._steps.tick(BEAT_S)
        slow = self._steps.slow()
        for step in slow:
            if step not in self._cautioned:
                self._sink.emit(Cautioned(what=step.actor, advice=_stuck(step)))
        self._cautioned = slow
        for step in self._steps.overdue():
            self._end(f"{step.actor} is {_stuck(step)}")

    def _status(self) -> str:
        stuck = "".join(f"; {s.actor} {_stuck(s)}" for s in self._steps.slow())
        return f"{self._board.status()}{stuck}"

    def _alive(self) -> bool:
        return self._watchdog.silent_s < STUCK_S / 2

    def _document(self, not_ready: str) -> Mapping[str, JsonValue]:
        told: dict[str, JsonValue] = {"not_ready": not_ready} if not_ready else {}
        return {
            **self._board.document(silent_s=self._watchdog.silent_s),
            "steps": self._steps.document(),
            **told,
        }


def _stuck(step: Step) -> str:
    return (
        f"stuck since {step.since:%Y-%m-%d %H:%M} UTC: {step.doing}; after {step.within_s:,.0f} s "
        "the process ends itself so that it is started again"
    )
