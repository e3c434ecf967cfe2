"""The chain in memory keeps to what the SDK and a node do."""

from __future__ import annotations

import re
from pathlib import Path

import bittensor as bt
import bittensor_core as _core  # type: ignore[import-untyped]
import pytest
from bittensor.error_map import NAME_TO_CODE

from tests.support.substrate import MemorySubstrate, a_keypair, client_over, pallets
from tests.support.substrate.pallets import DispatchError

MINER = a_keypair("Alice").ss58_address
UIDS = ("SubtensorModule", "Uids")


@pytest.fixture
def substrate() -> MemorySubstrate:
    chain = MemorySubstrate(head=1000, finality_lag=3)
    chain.add_subnet(37)
    chain.register(MINER)
    return chain


def test_every_refusal_has_a_name_that_the_sdk_knows() -> None:
    source = Path(pallets.__file__).read_text(encoding="utf-8")
    raised = set(re.findall(r'DispatchError\("(\w+)"\)', source))
    tested = set(re.findall(r'^            \(.*, "(\w+)"\),$', source, re.MULTILINE))
    assert len(raised) > 6
    assert len(tested) == 7
    assert raised | tested <= NAME_TO_CODE.keys()


async def test_a_state_is_read_as_of_its_block(substrate: MemorySubstrate) -> None:
    before = await substrate.block_hash(1000)
    substrate.produce()
    substrate.put("Uids", (37, MINER), None)
    now = await substrate.block_hash()
    assert await substrate.query(*UIDS, [37, MINER], before) == 0
    assert await substrate.query(*UIDS, [37, MINER], now) is None


async def test_a_reorganization_changes_hashes_and_takes_back_what_was_written(
    substrate: MemorySubstrate,
) -> None:
    substrate.produce(2)
    final, gone = await substrate.block_hash(1000), await substrate.block_hash(1002)
    substrate.commit_text(MINER, "on a fork")
    substrate.reorganize(2)
    assert await substrate.block_hash(1000) == final
    assert await substrate.block_hash(1002) != gone
    assert await substrate.query("Commitments", "CommitmentOf", [37, MINER]) is None
    with pytest.raises(bt.ChainError, match="unknown block"):
        await substrate.query(*UIDS, [37, MINER], gone)


async def test_final_blocks_cannot_be_reorganized(substrate: MemorySubstrate) -> None:
    with pytest.raises(ValueError, match="not 4"):
        substrate.reorganize(4)


async def test_a_pruned_state_is_refused_in_the_node_s_words(substrate: MemorySubstrate) -> None:
    substrate.produce(10)
    substrate.faults.pruned_below = 1005
    async with client_over(substrate) as client:
        with pytest.raises(bt.ChainError, match="State discarded"):
            await client.query(UIDS, [37, MINER], block=1000)


@pytest.mark.parametrize(("entries", "requests"), [(0, 1), (99, 2), (100, 3), (256, 6)])
async def test_a_map_costs_two_requests_a_hundred_entries(entries: int, requests: int) -> None:
    chain = MemorySubstrate()
    chain.add_subnet(9)
    chain.register_all([f"miner{i}" for i in range(entries)], netuid=9)
    await chain.query_map(*UIDS, [9])
    assert chain.requests == requests


def test_four_fields_are_one_too_many(substrate: MemorySubstrate) -> None:
    with pytest.raises(DispatchError, match="TooManyFieldsInCommitmentInfo"):
        substrate.commit_text(MINER, "x" * 385)


@pytest.mark.parametrize("leaves_mark", [False, True])
async def test_a_seal_that_fails_is_marked_or_gone(
    leaves_mark: bool, substrate: MemorySubstrate
) -> None:
    substrate.commit_sealed(MINER, b"sealed", 99)
    substrate.fail_reveal(MINER, leaves_mark=leaves_mark)
    async with client_over(substrate) as client:
        rows = await client.read("commitments", netuid=37)
    assert [row["status"] for row in rows] == (["failed"] if leaves_mark else [])


async def test_a_real_seal_is_opened_by_the_sdk_s_own_cryptography(
    substrate: MemorySubstrate,
) -> None:
    """Round 1000 of the beacon is long past; its signature is public."""
    envelope, round_ = _core.encrypt_at_round(b"2:acme:model", 1000)
    substrate.commit_sealed(MINER, _core.inner_ciphertext(envelope), round_)
    signature = (
        "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125"
        "e342b73a8dd2bacbe47e4b6b63ed5e39"
    )
    opened = bytes(_core.decrypt_with_signature(envelope, signature))
    substrate.produce()
    substrate.reveal_commitment(MINER, opened)
    async with client_over(substrate) as client:
        (row,) = await client.read("commitments", netuid=37)
    assert (row["status"], row["commitment"], row["block"]) == ("revealed", "2:acme:model", 1001)
