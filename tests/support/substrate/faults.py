"""What can go wrong between the SDK and a node, switched on by a test."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Faults:
    """Each stays until it is switched off, except where it says otherwise."""

    refused: bool = False  # no connection at all
    mute: bool = False  # connected, and never an answer
    delay_s: float = 0.0  # before every answer
    answers_left: int | None = None  # then the connection is gone, as by ``refused``
    pruned_below: int = 0  # states of blocks under this one are gone
    bodiless: bool = False  # states are kept, what stood in the blocks is not
    pool_refusals: list[str] = field(default_factory=list)  # what a node says, once each
    lose_inclusion: bool = False  # once: the extrinsic lands, but nobody hears of it
    lose_submission: bool = False  # once: the connection drops before the extrinsic arrives

    async def strike(self) -> None:
        """Fail or delay one request as asked.

        Raises:
            bt.RpcConnectionError: The connection is refused or gone.
        """
        from bittensor import RpcConnectionError  # the SDK takes a second to import

        if self.answers_left is not None:
            self.answers_left -= 1
            if self.answers_left < 0:
                self.answers_left, self.refused = None, True
        if self.refused:
            raise RpcConnectionError("connection refused")
        if self.mute:
            await asyncio.Event().wait()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
