"""Detection of a follower that gets no new blocks although the chain has them."""

from __future__ import annotations

from sn37.app.supervision.deadlines import Step, Steps, begin, end, step
from sn37.app.supervision.heads import Heads
from sn37.app.supervision.health import MAX_HEAD_AGE_S
from sn37.domain.ids import BlockRef
from sn37.ports.chain import Chain
from sn37.ports.clock import Clock
from sn37.ports.errors import ChainUnavailable

LOOK_S = 60.0
FAR_BEHIND = 50  # blocks, 10 minutes


class Lookout:
    """Actor that asks the chain for its head if the follower got none for 10 minutes.

    The follower is not at fault if the chain has halted or does not answer, or if a simulated
    chain waits for a long evaluation; these may last for any time. Nor is it at fault if it
    restarts repeatedly, because it then reports an outage.

    Args:
        follower: Name of the follower's actor.
    """

    def __init__(
        self, *, chain: Chain, heads: Heads, clock: Clock, steps: Steps, follower: str
    ) -> None:
        self._chain = chain
        self._heads = heads
        self._clock = clock
        self._steps = steps
        self._follower = follower

    async def run(self) -> None:
        while True:
            followed = self._heads.newest
            await self._clock.sleep(MAX_HEAD_AGE_S)
            if followed is not None and followed == self._heads.newest:
                await self._watch(followed)

    async def _watch(self, followed: BlockRef) -> None:
        """Count the time for which it waits for a block while the chain has later ones."""
        behind: Step | None = None
        life = self._steps.idle(self._follower)
        while self._heads.newest == followed:
            await self._clock.sleep(LOOK_S)
            if life is None or life is not self._steps.idle(self._follower):
                if behind is not None:
                    end(behind)
                behind, life = None, self._steps.idle(self._follower)
            elif behind is None and await self._is_ahead(followed):
                behind = begin(f"the follower is still at block {followed.number}")
        if behind is not None:
            end(behind)

    async def _is_ahead(self, followed: BlockRef) -> bool:
        with step("asking for the head"):
            try:
                return (await self._chain.head()).number >= followed.number + FAR_BEHIND
            except ChainUnavailable:
                return False
