"""The simnet chain: limits, seals, history, recycled uids, weights, and kills."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sn37.adapters.simnet.chain import SimnetChain
from sn37.adapters.simnet.extrinsics import Call, Extrinsic, Refusal, quantized, signed
from sn37.adapters.simnet.keys import SimnetSigner, keypair, verified
from sn37.adapters.simnet.ledger import Ledger
from sn37.adapters.simnet.schema import open_file, transaction
from sn37.domain.canonical import JsonValue
from sn37.domain.emission import WeightVector
from sn37.domain.ids import Block, BlockRef, Coldkey, Hotkey, Netuid, Uid
from sn37.ports.errors import ChainUnavailable, CommitmentRefused, WeightsRefused

SUBNET = Netuid(37)
GENESIS = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = Block(1700)
ALICE, BOB, CAROL, VALIDATOR = (
    SimnetSigner(keypair(7, name)) for name in ("alice", "bob", "carol", "validator")
)


def text(name: str) -> str:
    """A well-formed commitment whose repository is called ``name``."""
    return f"2:acme:{name}:{'a' * 40}:{'A' * 43}=:1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chain.db"


@pytest.fixture
def chain(path: Path) -> Iterator[SimnetChain]:
    SimnetChain.create(path, seed=7, genesis_time=GENESIS, head=HEAD)
    chain = SimnetChain(path, netuid=SUBNET, signer=VALIDATOR)
    for signer in (ALICE, BOB, CAROL):
        chain.register(SUBNET, signer.hotkey, Coldkey("miner"), 0, False, Block(0))
    chain.register(SUBNET, VALIDATOR.hotkey, Coldkey("v"), 10**15, True, Block(0))
    yield chain
    chain.close()


async def at(chain: SimnetChain, number: int) -> BlockRef:
    """Block ``number``, after producing up to it."""
    async for block in chain.blocks():
        if block.number >= number:
            break
    return await chain.block(Block(number))


async def repos(chain: SimnetChain, number: int) -> dict[Hotkey, str]:
    """The repository that each hotkey is committed to at a block."""
    book = await chain.commitments(await at(chain, number))
    return {hotkey: c.model.repo for hotkey, c in book.well_formed.items()}


# Blocks


async def test_blocks_yields_the_head_and_then_every_block(chain: SimnetChain) -> None:
    seen = []
    async for block in chain.blocks():
        seen.append(block.number)
        if len(seen) == 5:
            break
    assert seen == [1700, 1701, 1702, 1703, 1704]


async def test_blocks_made_by_another_driver_are_not_skipped(
    chain: SimnetChain, path: Path
) -> None:
    other = SimnetChain(path, netuid=SUBNET)
    blocks = chain.blocks()
    assert (await anext(blocks)).number == 1700
    await at(other, 1703)
    assert [(await anext(blocks)).number for _ in range(4)] == [1701, 1702, 1703, 1704]
    other.close()


async def test_no_block_appears_before_the_validator_is_idle(
    chain: SimnetChain, path: Path
) -> None:
    idle = asyncio.Event()

    async def until_idle() -> None:
        await idle.wait()

    waiting = SimnetChain(path, netuid=SUBNET, idle=until_idle)
    blocks = waiting.blocks()
    await anext(blocks)
    following = asyncio.ensure_future(anext(blocks))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (await chain.head()).number == 1700
    idle.set()
    assert (await following).number == 1701
    waiting.close()


class _StepClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> datetime:
        return GENESIS + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.elapsed += seconds


async def test_at_real_pace_a_block_takes_twelve_seconds_of_the_clock(
    chain: SimnetChain, path: Path
) -> None:
    clock = _StepClock()
    paced = SimnetChain(path, netuid=SUBNET, pace="real", clock=clock)
    async for block in paced.blocks():
        clock.elapsed += 5.0  # the validator was busy meanwhile: that counts
        if block.number == 1703:
            break
    assert clock.elapsed == 3 * 12.0 + 5.0
    paced.close()


async def test_hash_and_time_of_a_block_depend_on_seed_and_number_only(
    chain: SimnetChain, tmp_path: Path
) -> None:
    twin = SimnetChain.create(tmp_path / "b", seed=7, genesis_time=GENESIS, head=Block(9))
    other = SimnetChain.create(tmp_path / "c", seed=8, genesis_time=GENESIS, head=Block(9))
    block = await chain.block(Block(5))
    assert block == await twin.block(Block(5))
    assert block != await other.block(Block(5))
    assert await chain.timestamp(block) == GENESIS + timedelta(seconds=60)
    twin.close()
    other.close()


async def test_a_block_of_another_chain_is_unavailable(chain: SimnetChain) -> None:
    stranger = BlockRef(Block(5), "0x" + "0" * 64)
    with pytest.raises(ChainUnavailable, match="not on this chain"):
        await chain.commitments(stranger)


async def test_a_missing_file_is_unavailable(tmp_path: Path) -> None:
    chain = SimnetChain(tmp_path / "nothing", netuid=SUBNET)
    with pytest.raises(ChainUnavailable) as caught:
        await chain.head()
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    assert not (tmp_path / "nothing").exists()


def test_a_chain_is_not_made_over_another(chain: SimnetChain, path: Path) -> None:
    with pytest.raises(FileExistsError):
        SimnetChain.create(path, seed=1, genesis_time=GENESIS, head=Block(0))


# Commitments


async def test_a_scheduled_commitment_appears_at_its_block(chain: SimnetChain) -> None:
    chain.schedule_commit(ALICE, text("one"), Block(1702))
    assert await repos(chain, 1701) == {}
    assert await repos(chain, 1702) == {ALICE.hotkey: "acme/one"}
    book = await chain.commitments(await chain.head())
    assert book.well_formed[ALICE.hotkey].block == 1702


async def test_history_can_be_written_and_read_at_each_block(chain: SimnetChain) -> None:
    chain.schedule_commit(ALICE, text("old"), Block(200))
    chain.schedule_commit(ALICE, text("new"), Block(900))
    assert [await repos(chain, n) for n in (199, 200, 899, 900)] == [
        {},
        {ALICE.hotkey: "acme/old"},
        {ALICE.hotkey: "acme/old"},
        {ALICE.hotkey: "acme/new"},
    ]


async def test_two_commitments_of_one_block_keep_their_order(chain: SimnetChain) -> None:
    for signer in (BOB, ALICE, CAROL):
        chain.schedule_commit(signer, text("x"), Block(1701))
    book = await chain.commitments(await at(chain, 1701))
    ordered = sorted(book.well_formed.values(), key=lambda c: c.precedence)
    assert [c.hotkey for c in ordered] == [BOB.hotkey, ALICE.hotkey, CAROL.hotkey]


async def test_a_malformed_text_is_in_the_book_with_its_fault(chain: SimnetChain) -> None:
    chain.schedule_commit(ALICE, b"\xff\xfe", Block(1000))
    book = await chain.commitments(await chain.head())
    assert (book.well_formed, list(book.malformed)) == ({}, [ALICE.hotkey])


async def test_128_bytes_fit_and_129_do_not(chain: SimnetChain) -> None:
    chain.schedule_commit(ALICE, b"x" * 128, Block(1000))
    with pytest.raises(CommitmentRefused, match="129 bytes") as caught:
        chain.schedule_commit(BOB, b"x" * 129, Block(1000))
    assert caught.value.code == "limit_exceeded"


def test_the_chain_itself_checks_the_length(chain: SimnetChain, path: Path) -> None:
    assert _send(chain, path, args={"raw": "00" * 129}) is Refusal.LIMIT_EXCEEDED


async def test_a_hotkey_may_commit_every_hundred_blocks(chain: SimnetChain, path: Path) -> None:
    miner = SimnetChain(path, netuid=SUBNET, signer=ALICE)
    first = await miner.commit(text("one"))
    assert first.number == 1701
    with pytest.raises(CommitmentRefused) as caught:
        await miner.commit(text("two"))
    assert caught.value.code == "rate_limited"
    await at(miner, 1800)
    assert (await miner.commit(text("three"))).number == 1801
    assert await repos(miner, 1801) == {ALICE.hotkey: "acme/three"}
    miner.close()


async def test_only_members_commit(chain: SimnetChain) -> None:
    stranger = SimnetSigner(keypair(7, "stranger"))
    with pytest.raises(CommitmentRefused) as caught:
        chain.schedule_commit(stranger, text("one"), Block(1000))
    assert caught.value.code == "not_registered"


async def test_a_forged_signature_is_never_included(chain: SimnetChain, path: Path) -> None:
    forged = replace(_call(path, BOB, {"raw": text("evil").encode().hex()}), hotkey=ALICE.hotkey)
    assert chain.submit_extrinsic(forged, Block(1701)).is_pending
    assert chain.submit_extrinsic(forged, Block(1000)).refusal is Refusal.BAD_SIGNATURE
    chain.schedule_commit(ALICE, text("true"), Block(1702))
    assert await repos(chain, 1701) == {}
    assert await repos(chain, 1702) == {ALICE.hotkey: "acme/true"}


async def test_a_replayed_extrinsic_is_never_included(chain: SimnetChain, path: Path) -> None:
    call = _call(path, ALICE, {"raw": text("one").encode().hex()})
    assert chain.submit_extrinsic(call, Block(1000)).block == 1000
    assert chain.submit_extrinsic(call, Block(1500)).refusal is Refusal.ALREADY_EXISTS


def test_a_signature_for_another_chain_is_worth_nothing(chain: SimnetChain, path: Path) -> None:
    elsewhere = replace(_call(path, ALICE, {"raw": ""}), chain_id="0x00")
    resigned = replace(elsewhere, signature=ALICE.sign(elsewhere.payload))
    assert chain.submit_extrinsic(resigned, Block(1000)).refusal is Refusal.BAD_SIGNATURE


def _call(
    path: Path, signer: SimnetSigner, args: Mapping[str, JsonValue], nonce: int = 0
) -> Extrinsic:
    ledger = Ledger(path)
    chain_id = ledger.chain_id
    ledger.close()
    return signed(
        signer, chain_id=chain_id, netuid=SUBNET, nonce=nonce, call=Call.COMMIT, args=args
    )


def _send(chain: SimnetChain, path: Path, args: Mapping[str, JsonValue]) -> Refusal | None:
    return chain.submit_extrinsic(_call(path, ALICE, args), Block(1000)).refusal
