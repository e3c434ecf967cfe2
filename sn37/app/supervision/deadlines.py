"""Steps of actors and their deadlines, which reveal an actor that waits for ever.

The watchdog detects an event loop that is blocked. An actor that awaits an answer that never
arrives does not block the loop. So every actor reports what it does in steps with a deadline.
Waiting for the next block is not a step and has no deadline. A long step reports progress
(``move_on``), which restarts its deadline.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime

from sn37.domain.canonical import JsonValue
from sn37.ports.clock import Clock

# Default deadline of a step. The longest healthy step has half a dozen reads of the chain, each
# with four silent endpoints, 90 s each, before the fifth answers.
BUSY_S = 3600.0


@dataclass(slots=True, kw_only=True, eq=False)
class Step:
    """A step of an actor. Its time does not advance while steps inside it run."""

    actor: str
    doing: str
    within_s: float
    since: datetime  # its start, or its last progress
    silent_s: float = 0.0  # seconds since then
    num_inside: int = 0
    board: Steps | None = None  # ``None`` without supervision, as in most tests

    @property
    def is_overdue(self) -> bool:
        return self.silent_s > self.within_s

    @property
    def is_slow(self) -> bool:
        """True if half of its time is over."""
        return self.silent_s > self.within_s / 2

    def move_on(self, doing: str | None = None) -> None:
        """Report progress, which restarts the deadline."""
        self.doing = doing or self.doing
        self.silent_s = 0.0
        if self.board is not None:
            self.since = self.board.clock.now()


_CURRENT: ContextVar[Step | None] = ContextVar("step", default=None)


@contextmanager
def step(doing: str, *, within_s: float = BUSY_S) -> Iterator[Step]:
    """Open a step of the actor in whose task, or below whose task, this is called.

    It ends with the context, or with the actor's life.

    Args:
        doing: A few words for the health page.
        within_s: Seconds without ``move_on`` after which the process is ended.
    """
    outer = _CURRENT.get()
    if outer is None or outer.board is None:
        yield Step(actor="", doing=doing, within_s=within_s, since=datetime.min)
        return
    with outer.board.step(outer, doing, within_s) as inner:
        yield inner


@dataclass(slots=True)
class Steps:
    """Steps of all actors. Other threads read them; only the loop's thread changes them."""

    clock: Clock
    _running: list[Step] = field(default_factory=list)
    _works: dict[Step, Callable[[], None]] = field(default_factory=dict)  # by an actor's whole life
    _num_excuses: int = 0

    @contextmanager
    def of(self, actor: str, works: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Open a context whose steps belong to the actor; leaving it ends all of them.

        Args:
            works: Called whenever the actor finishes a step.
        """
        life = self._new(actor, "", math.inf)
        self._works[life] = works
        _CURRENT.set(life)
        try:
            yield
        finally:
            _CURRENT.set(None)
            del self._works[life]
            self._running = [s for s in self._running if s.actor != actor]

    @contextmanager
    def step(self, outer: Step, doing: str, within_s: float) -> Iterator[Step]:
        """Open a step inside another one; see the function ``step``."""
        inner = self._new(outer.actor, doing, within_s)
        outer.num_inside += 1
        self._running.append(inner)
        _CURRENT.set(inner)
        is_done = False
        try:
            yield inner
            is_done = True
        finally:
            if _CURRENT.get() is inner:
                _CURRENT.set(outer)
            if inner in self._running:  # otherwise it ended with its actor's life
                self._running.remove(inner)
                outer.num_inside -= 1
                outer.move_on()
                if is_done and outer in self._works:
                    self._works[outer]()

    def _new(self, actor: str, doing: str, within_s: float) -> Step:
        return Step(actor=actor, doing=doing, within_s=within_s, since=self.clock.now(), board=self)

    @contextmanager
    def excused(self) -> Iterator[None]:
        """Open a context in which no step is late; an outage reported elsewhere delays them all."""
        self._num_excuses += 1
        try:
            yield
        finally:
            self._num_excuses -= 1
            for known in self._running:
                known.move_on()

    def tick(self, seconds: float) -> None:
        """Advance the time of all steps.

        The caller runs on the event loop, so no step is late after the process was stopped or the
        machine slept.
        """
        if self._num_excuses:
            return
        for known in self._running:
            if not known.num_inside:
                known.silent_s += seconds

    def running(self) -> tuple[Step, ...]:
        """Return the innermost steps of all actors; concurrent work has one step each."""
        return tuple(s for s in tuple(self._running) if not s.num_inside)

    def slow(self) -> tuple[Step, ...]:
        """Return the steps that have used half of their time."""
        return tuple(s for s in self.running() if s.is_slow)

    def overdue(self) -> tuple[Step, ...]:
        """Return the steps whose time is over: their actors are stuck."""
        return tuple(s for s in self.running() if s.is_overdue)

    def document(self) -> list[JsonValue]:
        """Return the steps for the health page, without actors that wait for a block."""
        return [
            {
                "actor": s.actor,
                "doing": s.doing,
                "since": s.since.isoformat(timespec="seconds"),
                "silent_s": round(s.silent_s, 1),
                "within_s": None if math.isinf(s.within_s) else s.within_s,
            }
            for s in self.running()
        ]
