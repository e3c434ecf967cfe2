"""How much memory following the chain for long takes."""

from __future__ import annotations

import tracemalloc

from sn37.adapters.subtensor.reader import ChainReader
from tests.integration.subtensor.world import ALICE, SUBNET, World

NUM_TRACED = 400  # polls at the end; tracing slows them down several times


async def grown_bytes(num_polls: int) -> int:
    """By how much the last half of the traced polls grew the program."""
    world = World()
    world.substrate.commit_text(ALICE.hotkey, f"2:acme:model:{'a' * 40}:{'A' * 43}=:1")
    reader = ChainReader(world.connection, netuid=SUBNET, clock=world.clock)
    polled = early = 0
    try:
        async for head in reader.blocks():
            await reader.commitments(head)
            polled += 1
            if polled == num_polls - NUM_TRACED:
                tracemalloc.start()
            elif polled == num_polls - NUM_TRACED // 2:
                early, _ = tracemalloc.get_traced_memory()
            elif polled == num_polls:
                break
        late, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await world.connection.close()
    return late - early
