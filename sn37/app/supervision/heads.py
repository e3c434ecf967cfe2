"""Distribution of the newest finalized block to every actor of the validator."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from sn37.app.supervision.deadlines import step
from sn37.domain.ids import BlockRef


class Subscription:
    """One actor's async iterator over heads; it skips heads that arrive while it is busy.

    The actor is idle exactly while it waits here for the next head. From then until it asks for
    another one it is in a step.
    """

    def __init__(self, heads: Heads) -> None:
        self._heads = heads
        self._seen: BlockRef | None = None
        self._step = ExitStack()  # that of the head it took last

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> BlockRef:
        self._step.close()
        self._heads.note_waiting(self)
        try:
            while (head := self._heads.newest) is None or head == self._seen:
                await self._heads.wait_for_change()
        finally:
            self._heads.note_busy(self)
        self._seen = head
        self._step.enter_context(step(f"block {head.number}"))
        return head

    @property
    def newest(self) -> BlockRef | None:
        """The newest head, even while the actor is busy with an older one."""
        return self._heads.newest

    @property
    def behind(self) -> bool:
        """True if there is a newer head than the one this actor took last."""
        return self._heads.newest is not None and self._heads.newest != self._seen

    async def until_behind(self) -> None:
        """Wait for a newer head without taking it; the actor still counts as busy."""
        while not self.behind:
            await self._heads.wait_for_change()


class Heads:
    """Publisher of heads that knows when all actors have processed the newest one.

    A simulated chain waits for ``all_idle`` before it makes the next block, so that a run does
    not depend on the speed of the machine.
    """

    def __init__(self) -> None:
        self._newest: BlockRef | None = None
        self._subscriptions: list[Subscription] = []
        self._waiting: set[Subscription] = set()
        self._pulse = asyncio.Event()

    @property
    def newest(self) -> BlockRef | None:
        return self._newest

    def subscribe(self) -> Subscription:
        """Return a subscription for a new actor; it counts as busy until it first waits."""
        subscription = Subscription(self)
        self._subscriptions.append(subscription)
        return subscription

    def publish(self, head: BlockRef) -> None:
        self._newest = head
        self._wake()

    async def all_idle(self) -> None:
        """Return when every subscriber waits for a head newer than the newest."""
        while self.num_busy:
            await self.wait_for_change()

    @property
    def num_busy(self) -> int:
        """Number of subscribers that have not processed the newest head."""
        return sum(s not in self._waiting or s.behind for s in self._subscriptions)

    def note_waiting(self, subscription: Subscription) -> None:
        self._waiting.add(subscription)
        self._wake()

    def note_busy(self, subscription: Subscription) -> None:
        self._waiting.discard(subscription)

    async def wait_for_change(self) -> None:
        await self._pulse.wait()

    def _wake(self) -> None:
        # All waiters hold the old event; setting it wakes each of them exactly once.
        pulse, self._pulse = self._pulse, asyncio.Event()
        pulse.set()
