"""Who makes simnet's next block while a miner waits for one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from sn37.adapters.simnet.chain.chain import SimnetChain
from sn37.adapters.simnet.outside_miners import open_guest
from sn37.adapters.simnet.world import NETUID
from tests.integration.miner.miner_world import HEAD, MinerWorld


class BusyValidator:
    """Runs for so many looks of the guest's, and makes one block at the second of them."""

    def __init__(self, world: MinerWorld, looks: int) -> None:
        self.chain = SimnetChain(world.simnet / "chain.sqlite", netuid=NETUID)
        self.looks_left = looks
        self.heads: list[int] = []  # as the guest's waiting found them

    def runs(self) -> bool:
        return self.looks_left > 0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.looks_left -= 1
        self.heads.append((await self.chain.head()).number)
        if len(self.heads) == 2:
            blocks = self.chain.blocks()
            for _ in range(2):
                await anext(blocks)


def heads_seen(world: MinerWorld, validator: BusyValidator, count: int) -> list[int]:
    guest = open_guest(
        world.state_dir,
        wallet="default",
        hotkey="alice",
        cache=world.state_dir / "bases",
        validator_runs=validator.runs,
        clock=validator,
    )

    async def run() -> list[int]:
        blocks = guest.chain.blocks()
        return [(await anext(blocks)).number for _ in range(count)]

    return asyncio.run(run())


def test_a_running_validator_makes_the_blocks(stranger: MinerWorld) -> None:
    validator = BusyValidator(stranger, looks=10)
    assert heads_seen(stranger, validator, 2) == [HEAD, HEAD + 1]
    assert validator.heads == [HEAD, HEAD]  # the guest made none meanwhile


def test_without_one_the_miner_makes_them(stranger: MinerWorld) -> None:
    validator = BusyValidator(stranger, looks=0)
    assert heads_seen(stranger, validator, 4) == [HEAD, HEAD + 1, HEAD + 2, HEAD + 3]
    assert validator.heads == []
