"""What each actor is doing, and by when it has to be done: one that waits for ever is found.

The watchdog sees an event loop that does not turn. An actor that awaits an answer which never
comes leaves the loop turning. So every actor says what it does in steps that have a deadline.
Waiting for the next block is no step and has none; whatever else takes long moves on now and
then, which starts its time anew.
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

# Of a step that does not say otherwise. The longest that is sound: each of half a dozen reads of
# the chain finds four endpoints mute, a minute and a half each, before the fifth answers.
BUSY_S = 3600.0


@dataclass(slots=True, kw_only=True, eq=False)
class Step:
    """Something that an actor is doing. Its time stands still while steps inside it run."""

    actor: str
    doing: str
    within_s: float
    since: datetime  # when it began, or last moved on
    silent_s: float = 0.0  # since then
    num_inside: int = 0
    outer: Step | None = None
    board: Steps | None = None  # ``None`` where nobody watches, as in most tests

    @property
    def is_overdue(self) -> bool:
        return self.silent_s > self.within_s

    @property
    def is_slow(self) -> bool:
        """Whether half of its time is over."""
        return self.silent_s > self.within_s / 2

    def move_on(self, doing: str | None = None) -> None:
        """Say that it gets somewhere: its time begins anew."""
        self.doing = doing or self.doing
        self.silent_s = 0.0
        if self.board is not None:
            self.since = self.board.now()


_CURRENT: ContextVar[Step | None] = ContextVar("step", default=None)


@contextmanager
def step(doing: str, *, within_s: float = BUSY_S) -> Iterator[Step]:
    """A step of the actor in whose task, or below whose task, this is called.

    Args:
        doing: A few words for the health page.
        within_s: Seconds without ``move_on`` after which the process is ended.
    """
    begun = begin(doing, within_s=within_s)
    is_done = False
    try:
        yield begun
        is_done = True
    finally:
        end(begun, is_done=is_done)


def begin(doing: str, *, within_s: float = BUSY_S) -> Step:
    """As ``step``, for those who cannot enclose what they do."""
    outer = _CURRENT.get()
    if outer is None or outer.board is None:
        return Step(actor="", doing=doing, within_s=within_s, since=datetime.min)
    begun = outer.board.add(outer, doing, within_s)
    _CURRENT.set(begun)
    return begun


def end(begun: Step, *, is_done: bool = True) -> None:
    """End a step; ending it again changes nothing."""
    if _CURRENT.get() is begun:
        _CURRENT.set(begun.outer)
    if begun.board is not None:
        begun.board.remove(begun, is_done=is_done)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Life:
    """An actor from one start to its end, or to the outage that makes it start again."""

    root: Step
    works: Callable[[], None]


@dataclass(slots=True)
class Steps:
    """The steps of all actors. Read by other threads, changed by the loop's."""

    clock: Clock
    _running: list[Step] = field(default_factory=list)
    _lives: dict[str, _Life] = field(default_factory=dict)
    _num_excuses: int = 0

    @contextmanager
    def of(self, actor: str, works: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Steps that are begun in here are the actor's; none of them outlives it.

        Args:
            works: Called whenever the actor is done with something.
        """
        root = Step(actor=actor, doing="", within_s=math.inf, since=self.now(), board=self)
        self._lives[actor] = _Life(root=root, works=works)
        _CURRENT.set(root)
        try:
            yield
        finally:
            _CURRENT.set(None)
            del self._lives[actor]
            self._running = [s for s in self._running if s.actor != actor]

    @contextmanager
    def excused(self) -> Iterator[None]:
        """While something that is told elsewhere keeps everybody waiting, nobody is late."""
        self._num_excuses += 1
        try:
            yield
        finally:
            self._num_excuses -= 1
            for known in self._running:
                known.move_on()

    def idle(self, actor: str) -> object | None:
        """Something that stands for the actor's life since it was last started, if it is in no
        step now."""
        life = self._lives.get(actor)
        return None if life is None or life.root.num_inside else life

    def tick(self, seconds: float) -> None:
        """Let time pass. Called by what beats with the loop, so that a process which was
        stopped, or a machine that slept, has nobody late."""
        if self._num_excuses:
            return
        for known in self._running:
            if not known.num_inside:
                known.silent_s += seconds

    def running(self) -> tuple[Step, ...]:
        """What the actors are doing now, one step for each thing done at the same time."""
        return tuple(s for s in tuple(self._running) if not s.num_inside)

    def slow(self) -> tuple[Step, ...]:
        """Those that have used up half of their time."""
        return tuple(s for s in self.running() if s.is_slow)

    def overdue(self) -> tuple[Step, ...]:
        """Those whose time is over: their actors will never be heard of again."""
        return tuple(s for s in self.running() if s.is_overdue)

    def document(self) -> list[JsonValue]:
        """For the health page; an actor that waits for a block is left out."""
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

    def now(self) -> datetime:
        return self.clock.now()

    def add(self, outer: Step, doing: str, within_s: float) -> Step:
        """See ``begin``."""
        begun = Step(
            actor=outer.actor,
            doing=doing,
            within_s=within_s,
            since=self.now(),
            outer=outer,
            board=self,
        )
        outer.num_inside += 1
        self._running.append(begun)
        return begun

    def remove(self, ended: Step, *, is_done: bool) -> None:
        """See ``end``."""
        if ended not in self._running:
            return
        self._running.remove(ended)
        outer = ended.outer
        if outer is None:
            return
        outer.num_inside -= 1
        outer.move_on()
        if is_done and outer.outer is None:
            self._lives[ended.actor].works()
