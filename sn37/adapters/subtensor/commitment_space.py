"""Bytes that a hotkey may still commit in the subnet's current epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bittensor as bt

from sn37.adapters.subtensor.decoding import a_mapping, an_int
from sn37.domain.ids import Block, Hotkey, Netuid

CHARGED_BYTES = 100  # minimum for every commitment
DEFAULT_MAX_SPACE = 3_100  # bytes of one hotkey in one epoch of the subnet


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Usage counted by the pallet ``Commitments`` for one hotkey on one subnet, at one block."""

    block: Block
    registered: bool
    used_bytes: int
    max_bytes: int
    epoch_ends_at: Block  # estimate; the count is then reset

    def has_room_for(self, num_bytes: int) -> bool:
        return self.used_bytes + max(CHARGED_BYTES, num_bytes) <= self.max_bytes


async def read_space(client: bt.Client, netuid: Netuid, hotkey: Hotkey) -> Space:
    """Read the space at the newest block; the chain decides in the block after it."""
    number = await client.block()

    async def query(pallet: str, item: str, keys: Sequence[object]) -> object:
        return await client.query((pallet, item), list(keys), block=number)

    uid = await query("SubtensorModule", "Uids", [netuid, hotkey])
    epoch = an_int(await query("SubtensorModule", "SubnetEpochIndex", [netuid]) or 0)
    began = an_int(await query("SubtensorModule", "LastEpochBlock", [netuid]) or 0)
    tempo = an_int(await query("SubtensorModule", "Tempo", [netuid]) or 0)
    limit = await query("Commitments", "MaxSpace", [])
    usage = a_mapping(await query("Commitments", "UsedSpaceOf", [netuid, hotkey]) or {})
    counted = an_int(usage.get("last_epoch", 0)) == epoch
    return Space(
        block=Block(number),
        registered=uid is not None,
        used_bytes=an_int(usage.get("used_space", 0)) if counted else 0,
        max_bytes=DEFAULT_MAX_SPACE if limit is None else an_int(limit),
        epoch_ends_at=Block(max(began + tempo + 1, number + 1)),
    )
