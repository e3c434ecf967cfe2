"""State store that waits for its disk: a full disk pauses the validator and does not end it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from sn37.app.supervision.deadlines import Steps
from sn37.domain.backoff import Backoff
from sn37.domain.events import Degraded, Dependency, Recovered
from sn37.ports.clock import Clock
from sn37.ports.errors import StateUnavailable
from sn37.ports.state_store import StateStore
from sn37.ports.telemetry import EventSink

PAUSES_S = Backoff(1.0, 60.0)  # short enough for an operator who has just freed space

_P = ParamSpec("_P")
_T = TypeVar("_T")


class PatientStore:
    """State store that repeats each unavailable call until the disk accepts it.

    Calls run in the order in which they are made, so the records that a later call depends on are
    written before it. The caller waits, so no action happens unrecorded. Only ``load`` fails at
    once, because an operator who has just started the validator can fix the problem.
    """

    def __init__(self, store: StateStore, *, clock: Clock, sink: EventSink, steps: Steps) -> None:
        self._clock = clock
        self._sink = sink
        self._steps = steps
        self._turn = asyncio.Lock()  # acquired in the order of the calls
        self.load = store.load
        self.close = store.close
        self.begin = self._patient(store.begin)
        self.save_submissions = self._patient(store.save_submissions)
        self.freeze_pools = self._patient(store.freeze_pools)
        self.pools = self._patient(store.pools)
        self.open_round = self._patient(store.open_round)
        self.screen_round = self._patient(store.screen_round)
        self.append = self._patient(store.append)
        self.record_environment = self._patient(store.record_environment)
        self.finish_entry = self._patient(store.finish_entry)
        self.record_opinion = self._patient(store.record_opinion)
        self.opinions = self._patient(store.opinions)
        self.finish_round = self._patient(store.finish_round)
        self.recorded = self._patient(store.recorded)
        self.drawn = self._patient(store.drawn)
        self.losses = self._patient(store.losses)
        self.signers = self._patient(store.signers)
        self.shared_rounds = self._patient(store.shared_rounds)
        self.receipts = self._patient(store.receipts)
        self.statement = self._patient(store.statement)
        self.record_later = self._patient(store.record_later)
        self.record_weights = self._patient(store.record_weights)
        self.record_newcomers_s = self._patient(store.record_newcomers_s)
        self.forget = self._patient(store.forget)

    def _patient(
        self, call: Callable[_P, Awaitable[_T]]
    ) -> Callable[_P, Coroutine[object, object, _T]]:
        async def carry_out(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            async with self._turn:
                return await self._until_taken(lambda: call(*args, **kwargs))

        return carry_out

    async def _until_taken(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        num_failures = 0
        while True:
            try:
                answer = await attempt()
            except StateUnavailable as error:
                num_failures += 1
                pause_s = PAUSES_S.after(num_failures)
                self._sink.emit(
                    Degraded(what=Dependency.STATE, error=str(error), retry_in_s=pause_s)
                )
                with self._steps.excused():
                    await self._clock.sleep(pause_s)
            else:
                if num_failures:
                    self._sink.emit(Recovered(what=Dependency.STATE))
                return answer


if TYPE_CHECKING:

    def _(store: PatientStore) -> StateStore:
        return store


@asynccontextmanager
async def patiently(
    opened: AbstractAsyncContextManager[StateStore], *, clock: Clock, sink: EventSink, steps: Steps
) -> AsyncIterator[PatientStore]:
    """Open a store that waits for its disk; leaving the context closes it."""
    async with opened as store:
        yield PatientStore(store, clock=clock, sink=sink, steps=steps)
