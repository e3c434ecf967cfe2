"""The Bittensor chain holds what every chain must, over the SDK's real client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sn37.adapters.subtensor.chain import SubtensorChain
from sn37.domain.ids import Block, Hotkey, Netuid
from sn37.domain.submission.commitment import (
    Commitment,
    CommitmentBook,
    MalformedCommitment,
    parse_commitment,
)
from sn37.ports.chain import Chain
from sn37.testing.chain_contract import ChainContract
from tests.integration.subtensor.world import ALICE, BOB, CAROL, RIVAL, SUBNET, VALIDATOR, World

OTHER_SUBNET = Netuid(9)
STRANGER_THERE = Hotkey("5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UHjJM694ty")
COMMITTED = {
    ALICE: f"2:acme:model:{'a' * 40}:{'A' * 43}=:1",
    BOB: f"acme:model:{'b' * 40}:{'B' * 42}0=:2",
    CAROL: "junk",
}


class TestSubtensorChain(ChainContract):
    def chain(self) -> AbstractAsyncContextManager[Chain]:
        return self._opened(World())

    def silent_chain(self) -> AbstractAsyncContextManager[Chain]:
        world = World()
        world.substrate.faults.mute = True
        return self._opened(world)

    @asynccontextmanager
    async def _opened(self, world: World) -> AsyncIterator[SubtensorChain]:
        self.world = world
        substrate = world.substrate
        substrate.produces = False
        substrate.add_subnet(OTHER_SUBNET)
        substrate.register(STRANGER_THERE, netuid=OTHER_SUBNET)
        for signer, text in COMMITTED.items():
            substrate.produce()
            substrate.commit_text(signer.hotkey, text)
        connection = world.connect(substrate, call_timeout_s=0.1)
        try:
            yield SubtensorChain(
                connection, netuid=SUBNET, clock=world.clock, sink=world.sink, signer=VALIDATOR
            )
        finally:
            await connection.close()

    async def produce_block(self, chain: Chain) -> None:
        self.world.substrate.produce()
        await asyncio.sleep(0)

    async def weights_on(self, chain: Chain) -> Mapping[Hotkey, float]:
        substrate = self.world.substrate
        row = self.world.row()
        names = {
            uid: Hotkey(str(hotkey))
            for (uid,), hotkey in substrate.ledger.entries(("SubtensorModule", "Keys"), (SUBNET,))
        }
        return {names[uid]: value / sum(row.values()) for uid, value in row.items()}

    def signer(self) -> Hotkey:
        return VALIDATOR.hotkey

    def members(self) -> tuple[Hotkey, ...]:
        return tuple(Hotkey(s.hotkey) for s in (VALIDATOR, ALICE, BOB, CAROL, RIVAL))

    def book(self) -> CommitmentBook:
        parsed = [
            parse_commitment(text, hotkey=Hotkey(signer.hotkey), block=Block(1200 + number))
            for number, (signer, text) in enumerate(COMMITTED.items(), start=1)
        ]
        return CommitmentBook(
            well_formed={c.hotkey: c for c in parsed if isinstance(c, Commitment)},
            malformed={m.hotkey: m for m in parsed if isinstance(m, MalformedCommitment)},
        )

    def earlier(self) -> Block:
        return Block(1100)

    def other_subnet(self) -> tuple[Netuid, tuple[Hotkey, ...]]:
        return OTHER_SUBNET, (STRANGER_THERE,)
