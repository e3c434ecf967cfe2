"""The outcome of an epoch over the SDK's client, whatever an endpoint answers."""

from __future__ import annotations

import pytest

from sn37.adapters.subtensor.chain import SubtensorChain
from sn37.domain.metagraph import Consensus
from sn37.ports.errors import ChainUnavailable
from tests.integration.subtensor.world import ALICE, BOB, CAROL, SUBNET, VALIDATOR, World


async def consensus_of(world: World, *, is_reader: bool = False) -> Consensus:
    chain = SubtensorChain(
        world.connect(world.substrate),
        netuid=SUBNET,
        clock=world.clock,
        sink=world.sink,
        signer=None if is_reader else VALIDATOR,
    )
    return await chain.consensus(await chain.head())


def with_values(world: World, name: str, **by_name: int) -> None:
    """Put a vector of the chain that has these values, by hotkey."""
    signers = {"validator": VALIDATOR, "alice": ALICE, "bob": BOB, "carol": CAROL}
    uids = {name: world.uid(signer) for name, signer in signers.items()}
    values = [0] * (1 + max(uids.values()))
    for who, value in by_name.items():
        values[uids[who]] = value
    world.substrate.put(name, (SUBNET,), values)


async def test_vectors_are_shares_by_hotkey_and_own_weights_are_scaled_to_one() -> None:
    world = World()
    with_values(world, "Consensus", alice=65_535, bob=13_107)
    with_values(world, "ValidatorTrust", validator=32_768)
    row = [(world.uid(ALICE), 65_535), (world.uid(BOB), 0), (250, 65_535)]
    world.substrate.put("Weights", (SUBNET, world.uid(VALIDATOR)), row)
    found = await consensus_of(world)
    assert found.weights == pytest.approx({ALICE.hotkey: 1.0, BOB.hotkey: 0.2})
    assert found.validator_trust == pytest.approx({VALIDATOR.hotkey: 0.5}, abs=1e-4)
    assert found.own == {ALICE.hotkey: 0.5}  # the other half is of a uid that left


async def test_only_the_own_row_of_weights_is_read() -> None:
    world = World()
    world.substrate.put("Weights", (SUBNET, world.uid(ALICE)), [(0, 65_535)])
    assert (await consensus_of(world)).own == {}
    world.substrate.asked.clear()
    assert (await consensus_of(world, is_reader=True)).own == {}


@pytest.mark.parametrize("values", ["junk", [-1], [None], [1.5], {"a": 1}])
async def test_an_answer_of_another_form_is_unavailable_and_leaves_the_endpoint_in_use(
    values: object,
) -> None:
    world = World()
    connection = world.connect(world.substrate)
    chain = SubtensorChain(
        connection, netuid=SUBNET, clock=world.clock, sink=world.sink, signer=VALIDATOR
    )
    world.substrate.put("Consensus", (SUBNET,), values)
    head = await chain.head()
    with pytest.raises(ChainUnavailable, match="consensus of subnet"):
        await chain.consensus(head)
    before = world.substrate.requests
    assert await chain.head() == head
    assert world.substrate.requests > before
