"""Calls that change the chain, through the SDK's transport to a node on this machine."""

from __future__ import annotations

import bittensor as bt

from sn37.adapters.subtensor.commitment_sender import CommitmentSender
from sn37.adapters.subtensor.connection import Connection, Pacing
from sn37.adapters.subtensor.endpoints import endpoints_of
from sn37.adapters.subtensor.wallet import HotkeySigner
from sn37.adapters.subtensor.weight_setter import WeightSetter
from sn37.testing.fakes.clock import FakeClock
from sn37.testing.fakes.telemetry import RecordingSink
from tests.integration.subtensor.world import ALICE, SUBNET, VALIDATOR, World, shares
from tests.support.rpc_node import RpcNode


def a_setter(node: RpcNode, signer: HotkeySigner = VALIDATOR) -> WeightSetter:
    return WeightSetter(
        connection=a_connection(node),
        netuid=SUBNET,
        signer=signer,
        clock=FakeClock(),
        sink=RecordingSink(),
        version="1.2.3",
    )


def a_connection(node: RpcNode) -> Connection:
    pacing = Pacing(call_timeout_s=5.0, connect_timeout_s=5.0)
    return Connection(endpoints_of(node.url), clock=FakeClock(), pacing=pacing)


async def test_a_row_of_weights_is_signed_sent_and_found_in_its_block() -> None:
    world = World()
    async with RpcNode(world.substrate) as node:
        setter = a_setter(node)
        extrinsic = await setter.submit(shares(alice=0.75, bob=0.25))
    block = world.substrate.ledger.head
    assert extrinsic == f"{block}-0001"
    assert world.row() == {world.uid(ALICE): 65_535, 3: 21_845}


async def test_sealed_weights_are_on_the_chain_until_their_epoch() -> None:
    world = World(commit_reveal=True)
    async with RpcNode(world.substrate) as node:
        extrinsic = await a_setter(node).submit(shares(alice=1.0))
        assert extrinsic == f"{world.substrate.ledger.head}-0001"
    ((_, pending),) = world.substrate.ledger.entries(
        ("SubtensorModule", "TimelockedWeightCommits"), (SUBNET,)
    )
    assert isinstance(pending, list)
    assert pending[0][0] == VALIDATOR.hotkey


async def test_the_chains_refusal_of_a_call_arrives_by_name() -> None:
    world = World()
    async with RpcNode(world.substrate) as node:
        (endpoint,) = endpoints_of(node.url)
        client = endpoint.open()
        await client.connect()
        try:
            call = bt.calls.SubtensorModule.set_mechanism_weights(
                netuid=SUBNET, mecid=0, dests=[99], weights=[1], version_key=0
            )
            result = await client.submit_call(call, VALIDATOR.keypair, signer="hotkey")
        finally:
            await client.close()
    assert not result.success
    assert result.error is not None
    assert result.error.name == "UidVecContainInvalidOne"


async def test_a_commitment_is_sent_and_read_back() -> None:
    world = World()
    text = f"acme:model:{'b' * 40}:{'B' * 42}0=:2"
    async with RpcNode(world.substrate) as node:
        sender = CommitmentSender(
            a_connection(node), netuid=SUBNET, signer=ALICE, clock=FakeClock(), sink=RecordingSink()
        )
        at = await sender.commit(text)
    assert at.number == world.substrate.ledger.head
    kept = world.substrate.ledger.read(("Commitments", "CommitmentOf"), (SUBNET, ALICE.hotkey))
    assert text.encode().hex() in str(kept)


async def test_a_signature_by_another_key_is_not_taken_into_the_pool() -> None:
    world = World()
    async with RpcNode(world.substrate) as node:
        substrate = bt.RpcSubstrate(node.url)
        await substrate.connect()
        try:
            call = await substrate.compose(  # type: ignore[no-untyped-call]
                bt.calls.SubtensorModule.set_mechanism_weights(
                    netuid=SUBNET, mecid=0, dests=[2], weights=[1], version_key=0
                )
            )
            unsigned = await substrate.prepare(call, address=VALIDATOR.hotkey)
            forged = ALICE.keypair.sign(unsigned.payload)
            result = await substrate.submit_signature(unsigned, forged)
        finally:
            await substrate.close()
    assert not result.success
    assert "signature does not match" in result.message
    assert world.row() == {}
