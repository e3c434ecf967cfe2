"""Actor that writes how the subnet looks, for the leaderboard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sn37.app.supervision.deadlines import step
from sn37.app.supervision.heads import Subscription
from sn37.domain.ids import Block, BlockRef, Hotkey
from sn37.domain.metagraph import SubnetSnapshot
from sn37.ports.chain import Chain
from sn37.ports.errors import PortError

log = logging.getLogger(__name__)

EVERY_BLOCKS = 25  # 5 minutes; an epoch of the subnet has 360 blocks


class Onlooker:
    """Actor that reads members, stake and consensus now and then, and has them written to a file.

    Nothing else depends on it: when the chain or the disk refuses, it looks again later.

    Args:
        write: Writes a snapshot durably, in a thread; may raise ``OSError``.
    """

    def __init__(
        self,
        *,
        chain: Chain,
        validator: Hotkey,
        heads: Subscription,
        write: Callable[[SubnetSnapshot], None],
    ) -> None:
        self._chain = chain
        self._validator = validator
        self._heads = heads
        self._write = write
        self._next = Block(0)

    async def run(self) -> None:
        async for head in self._heads:
            if head.number >= self._next:
                self._next = Block(head.number + EVERY_BLOCKS)
                with step("writing how the subnet looks"):
                    await self._look(head)

    async def _look(self, at: BlockRef) -> None:
        try:
            seen = SubnetSnapshot(
                validator=self._validator,
                metagraph=await self._chain.metagraph(at),
                consensus=await self._chain.consensus(at),
            )
            await asyncio.to_thread(self._write, seen)
        except (PortError, OSError) as error:
            log.info("the leaderboard's view of the subnet stays as it was: %s", error)
