"""Runs the validator's actors concurrently; when one ends, all end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from sn37.app.supervision.deadlines import Steps
from sn37.app.supervision.stop_signals import Stopped
from sn37.domain.backoff import Backoff
from sn37.domain.events import Degraded, Recovered
from sn37.ports.clock import Clock
from sn37.ports.errors import StateUnavailable, Unavailable
from sn37.ports.telemetry import EventSink

PAUSES_S = Backoff(1.0, 300.0)
# Limit on a wait that a server asks for (Retry-After). During a longer outage an actor tries again
# every ten minutes, so that a header that names next year does not stop it until then.
LONGEST_WAIT_S = 600.0

Actor = Callable[[], Awaitable[None]]


class Supervisor:
    """Task group of actors. After an outage an actor waits and restarts; a bug ends the run.

    Actors hold only recorded state, so a restart is always safe.
    """

    def __init__(self, *, clock: Clock, sink: EventSink, steps: Steps | None = None) -> None:
        self._clock = clock
        self._sink = sink
        self._steps = steps or Steps(clock)
        self._failing: set[str] = set()  # actors without a finished step since an outage

    async def run(self, actors: Mapping[str, Actor]) -> None:
        """Run until cancelled, or until an actor ends or fails.

        Raises:
            ExceptionGroup: The errors of failed actors.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for name, actor in actors.items():
                    group.create_task(self._keep_running(name, actor), name=name)
        except* Stopped:
            pass

    async def _keep_running(self, name: str, actor: Actor) -> None:
        num_failures = 0  # in a row
        while True:
            began = self._clock.monotonic()
            try:
                with self._steps.of(name, lambda: self._works(name)):
                    await actor()
            except StateUnavailable:
                raise  # the validator must not act without recording it
            except Unavailable as error:
                if self._clock.monotonic() - began > PAUSES_S.longest:
                    num_failures = 0
                num_failures += 1
                wait_s = _wait_s(error.retry_after_s, PAUSES_S.after(num_failures))
                self._failing.add(name)
                self._sink.emit(Degraded(what=name, error=str(error), retry_in_s=wait_s))
                await self._clock.sleep(wait_s)
            else:
                raise Stopped

    def _works(self, name: str) -> None:
        if name in self._failing:
            self._failing.remove(name)
            self._sink.emit(Recovered(what=name))


def _wait_s(asked_s: float | None, pause_s: float) -> float:
    """Return the requested wait within bounds, or our own pause if the request is invalid."""
    if asked_s is None or not asked_s > 0:  # also true for NaN
        return pause_s
    return min(asked_s, LONGEST_WAIT_S)
