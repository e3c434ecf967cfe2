"""The consensus of simnet's validators, as an epoch of Bittensor computes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sn37.adapters.simnet.chain.chain import SimnetChain
from sn37.adapters.simnet.chain.keys import SimnetSigner, keypair
from sn37.domain.ids import Block, Coldkey, Hotkey, Netuid
from sn37.domain.weight_vector import WeightVector

SUBNET = Netuid(37)
SMALL, MIDDLE, LARGE = (SimnetSigner(keypair(7, name)) for name in ("small", "middle", "large"))
STAKES = {SMALL: 1, MIDDLE: 2, LARGE: 4}  # in 10**15 rao
A, B = Hotkey("a"), Hotkey("b")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "chain.sqlite"
    chain = SimnetChain.create(
        path, seed=7, genesis_time=datetime(2026, 1, 1, tzinfo=UTC), head=Block(1_000)
    )
    for miner in (A, B):
        chain.register(SUBNET, miner, Coldkey("m"), 0, False, Block(0))
    for signer, stake in STAKES.items():
        chain.register(SUBNET, signer.hotkey, Coldkey("v"), stake * 10**15, True, Block(0))
    yield path
    chain.close()


async def voted(path: Path, signer: SimnetSigner, **shares: float) -> None:
    chain = SimnetChain(path, netuid=SUBNET, signer=signer)
    await chain.submit_weights(WeightVector({Hotkey(h): s for h, s in shares.items()}))
    chain.close()


async def test_consensus_is_what_half_of_the_stake_supports_and_trust_what_lies_within(
    path: Path,
) -> None:
    await voted(path, SMALL, b=1.0)
    await voted(path, MIDDLE, a=0.5, b=0.5)
    await voted(path, LARGE, a=0.8, b=0.2)
    chain = SimnetChain(path, netuid=SUBNET, signer=MIDDLE)
    found = await chain.consensus(await chain.head())
    chain.close()
    assert found.weights == pytest.approx({A: 0.8, B: 0.2}, abs=1e-4)  # 4 of 7 give as much
    trust = {SMALL.hotkey: 0.2, MIDDLE.hotkey: 0.7, LARGE.hotkey: 1.0}
    assert found.validator_trust == pytest.approx(trust, abs=1e-4)
    assert found.own == pytest.approx({A: 0.5, B: 0.5}, abs=1e-4)


async def test_validators_without_weights_do_not_count(path: Path) -> None:
    chain = SimnetChain(path, netuid=SUBNET)
    before = await chain.consensus(await chain.head())
    assert (before.weights, before.validator_trust, before.own) == ({}, {}, {})
    await voted(path, SMALL, b=1.0)
    found = await chain.consensus(await chain.head())
    chain.close()
    assert (found.weights, found.validator_trust) == ({B: 1.0}, {SMALL.hotkey: 1.0})
    assert found.own == {}
