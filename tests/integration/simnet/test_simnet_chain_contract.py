"""The simnet chain, its writer and its signer hold what every adapter must."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bittensor.sp_core import Keypair

from sn37.adapters.simnet.chain.chain import SimnetChain
from sn37.adapters.simnet.chain.extrinsics import RATE_LIMIT_BLOCKS
from sn37.adapters.simnet.chain.keys import SimnetSigner, keypair
from sn37.domain.ids import Block, BlockRef, Coldkey, Hotkey, Netuid
from sn37.domain.submission.commitment import (
    Commitment,
    CommitmentBook,
    MalformedCommitment,
    parse_commitment,
)
from sn37.ports.chain import Chain, CommitmentWriter, Signer
from sn37.testing.chain_contract import ChainContract
from sn37.testing.hotkey_contract import CommitmentWriterContract, SignerContract

SUBNET, OTHER_SUBNET = Netuid(37), Netuid(18)
HEAD = Block(1700)
VALIDATOR, *MINERS = (SimnetSigner(keypair(3, name)) for name in ("v", "a", "b", "c"))
TEXTS = (f"2:acme:model:{'a' * 40}:{'A' * 43}=:1", f"acme:model:{'b' * 40}:{'B' * 42}0=:2", "junk")


def make_chain(path: Path) -> None:
    """A subnet of four whose miners have committed nothing yet."""
    chain = SimnetChain.create(
        path, seed=3, genesis_time=datetime(2026, 1, 1, tzinfo=UTC), head=HEAD, netuid=SUBNET
    )
    chain.register(SUBNET, VALIDATOR.hotkey, Coldkey("v"), 10**15, True, Block(0))
    for miner in MINERS:
        chain.register(SUBNET, miner.hotkey, Coldkey("m"), 0, False, Block(0))
    chain.register(OTHER_SUBNET, Hotkey("elsewhere"), Coldkey("e"), 1, True, Block(0))
    chain.close()


@asynccontextmanager
async def opened(path: Path, signer: SimnetSigner) -> AsyncIterator[SimnetChain]:
    chain = SimnetChain(path, netuid=SUBNET, signer=signer)
    try:
        yield chain
    finally:
        chain.close()


async def next_block(chain: SimnetChain) -> BlockRef:
    blocks = chain.blocks()
    await anext(blocks)
    return await anext(blocks)


class TestSimnetChain(ChainContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.opened = 0

    def chain(self) -> AbstractAsyncContextManager[Chain]:
        self.opened += 1
        path = self.folder / f"{self.opened}.db"
        make_chain(path)
        builder = SimnetChain(path, netuid=SUBNET)
        for miner, text in zip(MINERS, TEXTS, strict=True):
            builder.schedule_commit(miner, text, Block(1500))
        builder.close()
        return opened(path, VALIDATOR)

    def silent_chain(self) -> AbstractAsyncContextManager[Chain]:
        return opened(self.folder / "missing.db", VALIDATOR)

    async def produce_block(self, chain: Chain) -> None:
        assert isinstance(chain, SimnetChain)
        await next_block(chain)

    async def weights_on(self, chain: Chain) -> Mapping[Hotkey, float]:
        assert isinstance(chain, SimnetChain)
        return chain.weights(SUBNET, VALIDATOR.hotkey)

    def signer(self) -> Hotkey:
        return VALIDATOR.hotkey

    def members(self) -> tuple[Hotkey, ...]:
        return (VALIDATOR.hotkey, *(m.hotkey for m in MINERS))

    def book(self) -> CommitmentBook:
        parsed = [
            parse_commitment(text, hotkey=miner.hotkey, block=Block(1500), extrinsic_index=index)
            for index, (miner, text) in enumerate(zip(MINERS, TEXTS, strict=True), start=1)
        ]
        return CommitmentBook(
            well_formed={c.hotkey: c for c in parsed if isinstance(c, Commitment)},
            malformed={m.hotkey: m for m in parsed if isinstance(m, MalformedCommitment)},
        )

    def earlier(self) -> Block:
        return Block(1400)

    def other_subnet(self) -> tuple[Netuid, tuple[Hotkey, ...]]:
        return OTHER_SUBNET, (Hotkey("elsewhere"),)


class TestSimnetCommitmentWriter(CommitmentWriterContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def writer(self) -> AbstractAsyncContextManager[CommitmentWriter]:
        make_chain(self.folder / "chain.db")
        return opened(self.folder / "chain.db", MINERS[0])

    def silent_writer(self) -> AbstractAsyncContextManager[CommitmentWriter]:
        return opened(self.folder / "missing.db", MINERS[0])

    async def committed(self, writer: CommitmentWriter) -> str | None:
        assert isinstance(writer, SimnetChain)
        records = {r.hotkey: r.raw.decode() for r in writer.records(await writer.head())}
        return records.get(MINERS[0].hotkey)

    async def wait_out_the_rate_limit(self, writer: CommitmentWriter) -> None:
        assert isinstance(writer, SimnetChain)
        for _ in range(RATE_LIMIT_BLOCKS):
            await next_block(writer)


class TestSimnetSigner(SignerContract):
    def signer(self) -> Signer:
        return SimnetSigner(keypair(3, "anyone"))

    def verify(self, hotkey: Hotkey, message: bytes, signature: bytes) -> bool:
        return bool(Keypair(ss58_address=hotkey).verify(message, signature))
