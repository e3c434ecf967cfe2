"""The simnet chain: limits, seals, history, recycled uids, weights, and kills."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sn37.adapters.simnet.chain.chain import SimnetChain
from sn37.adapters.simnet.chain.extrinsics import (
    Call,
    Extrinsic,
    Refusal,
    quantized,
    seal,
    signed,
    unseal,
)
from sn37.adapters.simnet.chain.keys import SimnetSigner, keypair, verified
from sn37.adapters.simnet.chain.ledger import Ledger
from sn37.adapters.simnet.chain.schema import open_file, require_chain, transaction
from sn37.domain.canonical import JsonValue
from sn37.domain.ids import Block, BlockRef, Coldkey, Hotkey, Netuid, Uid
from sn37.domain.weight_vector import WeightVector
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


@pytest.mark.parametrize(
    ("call", "args"),
    [
        (Call.COMMIT, {}),
        (Call.COMMIT, {"raw": "no hex"}),
        (Call.SEAL, {"sealed": 7, "reveal": 1100}),
        (Call.SEAL, {"sealed": "00", "reveal": 900}),
        (Call.WEIGHTS, {}),
        (Call.WEIGHTS, {"weights": {"x": 1}}),
        (Call.WEIGHTS, {"weights": {"0": 65_536}}),
    ],
)
def test_nonsense_under_a_good_signature_is_refused(
    chain: SimnetChain, path: Path, call: Call, args: Mapping[str, JsonValue]
) -> None:
    unsigned = replace(_call(path, VALIDATOR, args), call=call)
    nonsense = replace(unsigned, signature=VALIDATOR.sign(unsigned.payload))
    status = chain.submit_extrinsic(nonsense, Block(1000))
    assert status.refusal is Refusal.INVALID_ARGUMENT


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


# Sealed commitments


async def test_a_seal_opens_by_itself_at_its_block(chain: SimnetChain) -> None:
    chain.schedule_sealed(ALICE, text("secret"), Block(1701), Block(1705))
    assert [await repos(chain, n) for n in (1701, 1704, 1705)] == [
        {},
        {},
        {ALICE.hotkey: "acme/secret"},
    ]
    commitment = (await chain.commitments(await chain.head())).well_formed[ALICE.hotkey]
    assert (commitment.block, commitment.extrinsic_index) == (1705, 0)
    assert await repos(chain, 1704) == {}


async def test_a_seal_cannot_be_read_from_the_file_before_its_block(
    chain: SimnetChain, path: Path
) -> None:
    chain.schedule_sealed(ALICE, text("secret"), Block(1701), Block(1705))
    await at(chain, 1704)
    connection = open_file(path)
    dump = "".join(connection.iterdump()).encode()
    connection.close()
    assert b"secret" not in dump
    assert b"secret".hex().encode() not in dump.lower()


async def test_a_seal_replaces_the_plain_commitment_at_once(chain: SimnetChain) -> None:
    chain.schedule_commit(ALICE, text("plain"), Block(1000))
    chain.schedule_sealed(ALICE, text("secret"), Block(1200), Block(1300))
    assert [await repos(chain, n) for n in (1199, 1200, 1300)] == [
        {ALICE.hotkey: "acme/plain"},
        {},
        {ALICE.hotkey: "acme/secret"},
    ]


async def test_a_commitment_before_the_reveal_replaces_the_seal(chain: SimnetChain) -> None:
    chain.schedule_sealed(ALICE, text("secret"), Block(1000), Block(1300))
    chain.schedule_commit(ALICE, text("plain"), Block(1200))
    assert [await repos(chain, n) for n in (1199, 1200, 1300)] == [
        {},
        {ALICE.hotkey: "acme/plain"},
        {ALICE.hotkey: "acme/plain"},
    ]


async def test_an_earlier_reveal_stays_readable_while_the_next_is_sealed(
    chain: SimnetChain,
) -> None:
    chain.schedule_sealed(ALICE, text("one"), Block(1000), Block(1100))
    chain.schedule_sealed(ALICE, text("two"), Block(1200), Block(1300))
    assert [await repos(chain, n) for n in (1250, 1300)] == [
        {ALICE.hotkey: "acme/one"},
        {ALICE.hotkey: "acme/two"},
    ]


async def test_the_last_ten_reveals_are_kept(chain: SimnetChain) -> None:
    for n in range(12):
        chain.schedule_sealed(ALICE, text(f"r{n}"), Block(100 + 100 * n), Block(150 + 100 * n))
    kept = chain.reveals(ALICE.hotkey, await chain.head())
    assert [record.raw.decode() for record in kept] == [text(f"r{n}") for n in range(2, 12)]
    early = chain.reveals(ALICE.hotkey, await chain.block(Block(250)))
    assert [record.block for record in early] == [150, 250]


async def test_a_copied_seal_opens_for_nobody(chain: SimnetChain, path: Path) -> None:
    sealed = seal(7, b"x", hotkey=ALICE.hotkey, committed=Block(1000), reveal=Block(1100))
    copied = replace(_call(path, BOB, {"sealed": sealed.hex(), "reveal": 1100}), call=Call.SEAL)
    signed_by_bob = replace(copied, signature=BOB.sign(copied.payload))
    assert chain.submit_extrinsic(signed_by_bob, Block(1000)).block == 1000
    assert chain.reveals(BOB.hotkey, await chain.head()) == ()
    assert unseal(7, b"short", hotkey=BOB.hotkey, reveal=Block(1100)) is None


def test_a_seal_must_open_after_it_is_included(chain: SimnetChain) -> None:
    with pytest.raises(ValueError, match="not after"):
        chain.schedule_sealed(ALICE, "x", Block(1000), Block(1000))


# Membership


async def test_a_uid_goes_to_the_next_member_and_history_remembers(chain: SimnetChain) -> None:
    newcomer = Hotkey("newcomer")
    bob = (await chain.metagraph(await chain.block(Block(100)))).find(BOB.hotkey)
    chain.deregister(SUBNET, BOB.hotkey, Block(600))
    assert bob is not None
    assert chain.register(SUBNET, newcomer, Coldkey("n"), 5, False, Block(600)) == bob.uid
    before = await chain.metagraph(await chain.block(Block(599)))
    after = await chain.metagraph(await chain.block(Block(600)))
    assert (before.find(BOB.hotkey), before.find(newcomer)) == (bob, None)
    assert after.find(BOB.hotkey) is None
    neuron = after.find(newcomer)
    assert neuron is not None
    assert (neuron.uid, neuron.registered_at, neuron.stake_rao) == (bob.uid, 600, 5)
    assert [n.uid for n in after.neurons] == [0, 1, 2, 3]


async def test_a_member_that_left_has_no_commitment_any_more(chain: SimnetChain) -> None:
    chain.schedule_commit(BOB, text("one"), Block(500))
    chain.deregister(SUBNET, BOB.hotkey, Block(600))
    assert [await repos(chain, n) for n in (599, 600)] == [{BOB.hotkey: "acme/one"}, {}]


async def test_a_registration_in_the_future_begins_at_its_block(chain: SimnetChain) -> None:
    chain.register(SUBNET, Hotkey("late"), Coldkey("l"), 0, False, Block(1702))
    members = [len((await chain.metagraph(await at(chain, n))).neurons) for n in (1701, 1702)]
    assert members == [4, 5]


async def test_subnets_have_members_of_their_own(chain: SimnetChain) -> None:
    chain.register(Netuid(18), Hotkey("feed"), Coldkey("f"), 3, True, Block(0))
    graph = await chain.metagraph(await chain.head(), Netuid(18))
    assert [(n.uid, n.hotkey) for n in graph.neurons] == [(0, "feed")]


def test_nobody_registers_twice_or_leaves_before_he_came(chain: SimnetChain) -> None:
    with pytest.raises(ValueError, match="already"):
        chain.register(SUBNET, BOB.hotkey, Coldkey("b"), 0, False, Block(9))
    with pytest.raises(ValueError, match="is not on subnet"):
        chain.deregister(SUBNET, BOB.hotkey, Block(0))


def test_a_full_subnet_takes_nobody(chain: SimnetChain) -> None:
    for n in range(252):
        chain.register(SUBNET, Hotkey(f"h{n}"), Coldkey("c"), 0, False, Block(0))
    with pytest.raises(ValueError, match="full"):
        chain.register(SUBNET, Hotkey("one more"), Coldkey("c"), 0, False, Block(0))


# Weights


def test_weights_are_scaled_up_to_u16_as_bittensor_does() -> None:
    shares = {Uid(0): 0.1, Uid(1): 0.7, Uid(2): 0.2, Uid(3): 1e-9}
    assert quantized(shares) == {Uid(0): 9362, Uid(1): 65535, Uid(2): 18724}
    assert quantized({}) == {}


async def test_weights_can_be_read_back_and_sum_to_one(chain: SimnetChain) -> None:
    shares = {ALICE.hotkey: 0.1, BOB.hotkey: 0.7, CAROL.hotkey: 0.2}
    extrinsic = await chain.submit_weights(WeightVector(shares))
    assert extrinsic == "1700-1"
    read = chain.weights(SUBNET, VALIDATOR.hotkey)
    assert read == pytest.approx(shares, abs=1e-4)
    assert sum(read.values()) == pytest.approx(1.0)
    validator = (await chain.metagraph(await chain.head())).find(VALIDATOR.hotkey)
    assert validator is not None
    assert validator.last_update == 1700


async def test_shares_of_members_that_left_go_to_the_others(chain: SimnetChain) -> None:
    chain.deregister(SUBNET, BOB.hotkey, Block(1000))
    await chain.submit_weights(WeightVector({ALICE.hotkey: 0.25, BOB.hotkey: 0.75}))
    assert chain.weights(SUBNET, VALIDATOR.hotkey) == {ALICE.hotkey: 1.0}


async def test_weights_belong_to_the_hotkeys_of_their_block(chain: SimnetChain) -> None:
    await chain.submit_weights(WeightVector({BOB.hotkey: 1.0}))
    chain.deregister(SUBNET, BOB.hotkey, Block(1701))
    chain.register(SUBNET, Hotkey("heir"), Coldkey("h"), 0, False, Block(1701))
    await at(chain, 1702)
    assert chain.weights(SUBNET, VALIDATOR.hotkey) == {BOB.hotkey: 1.0}


async def test_weights_may_be_set_every_hundred_blocks(chain: SimnetChain) -> None:
    weights = WeightVector({ALICE.hotkey: 1.0})
    await chain.submit_weights(weights)
    await at(chain, 1799)
    with pytest.raises(WeightsRefused) as caught:
        await chain.submit_weights(weights)
    assert caught.value.code == "rate_limited"
    await at(chain, 1800)
    assert await chain.submit_weights(weights) == "1800-1"


async def test_weights_without_a_permit_are_refused(chain: SimnetChain, path: Path) -> None:
    miner = SimnetChain(path, netuid=SUBNET, signer=ALICE)
    with pytest.raises(WeightsRefused) as caught:
        await miner.submit_weights(WeightVector({BOB.hotkey: 1.0}))
    assert caught.value.code == "not_authorized"
    miner.close()


async def test_weights_for_nobody_are_refused(chain: SimnetChain) -> None:
    with pytest.raises(WeightsRefused) as caught:
        await chain.submit_weights(WeightVector({Hotkey("gone"): 1.0}))
    assert caught.value.code == "invalid_argument"


async def test_a_chain_without_a_signer_only_reads(chain: SimnetChain, path: Path) -> None:
    reader = SimnetChain(path, netuid=SUBNET)
    assert await reader.head() == await chain.head()
    with pytest.raises(WeightsRefused):
        await reader.submit_weights(WeightVector({ALICE.hotkey: 1.0}))
    with pytest.raises(CommitmentRefused):
        await reader.commit(text("one"))
    reader.close()


# Kills


def test_a_connection_lost_inside_a_transaction_leaves_nothing(
    chain: SimnetChain, path: Path
) -> None:
    chain.schedule_commit(ALICE, text("one"), Block(1701))
    connection = open_file(path)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE chain SET head = 1701")
    connection.execute("DELETE FROM extrinsics")
    connection.close()
    ledger = Ledger(path)
    assert ledger.head() == 1700
    assert ledger.produce(after=Block(1700)) == 1701
    ledger.close()
    assert asyncio.run(repos(chain, 1701)) == {ALICE.hotkey: "acme/one"}


def test_a_failing_transaction_is_rolled_back(chain: SimnetChain, path: Path) -> None:
    connection = open_file(path)
    connection.execute(
        "CREATE TEMP TRIGGER moved AFTER UPDATE ON chain BEGIN SELECT RAISE(FAIL, 'no'); END"
    )
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.execute("UPDATE chain SET head = 9999")
    assert connection.execute("SELECT head FROM chain").fetchone() == (1700,)
    connection.close()


_PRODUCER = """
import sys
from pathlib import Path
from sn37.adapters.simnet.chain.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
print("ready", flush=True)
head = ledger.head()
while True:
    head = ledger.produce(after=head)
"""


def test_a_killed_producer_loses_nothing_and_includes_nothing_twice(
    chain: SimnetChain, path: Path
) -> None:
    due = range(1701, 1701 + 3000, 101)
    for block in due:
        chain.schedule_commit(ALICE, text(f"b{block}"), Block(block))
    for _ in range(3):
        producer = subprocess.Popen(
            [sys.executable, "-c", _PRODUCER, str(path)], stdout=subprocess.PIPE
        )
        assert producer.stdout is not None
        assert producer.stdout.readline() == b"ready\n"
        start = Ledger(path)
        before = start.head()
        while start.head() < before + 200:
            assert producer.poll() is None
        producer.send_signal(signal.SIGKILL)
        assert producer.wait() == -signal.SIGKILL
        producer.stdout.close()
        start.close()
    ledger = Ledger(path)
    head = ledger.head()
    rows = ledger.connection.execute(
        "SELECT block FROM extrinsics WHERE block IS NOT NULL ORDER BY block"
    ).fetchall()
    ledger.close()
    assert [block for (block,) in rows] == [block for block in due if block <= head]


# Cost


async def test_polling_five_thousand_blocks_is_fast_and_flat(chain: SimnetChain) -> None:
    for n in range(200):
        signer = SimnetSigner(keypair(7, f"miner-{n}"))
        chain.register(SUBNET, signer.hotkey, Coldkey("c"), 0, False, Block(0))
        chain.schedule_commit(signer, text(f"m{n}"), Block(1000))
    seconds: list[float] = []
    books = set()
    async for block in chain.blocks():
        began = time.process_time()
        books.add(id(await chain.commitments(block)))
        seconds.append(time.process_time() - began)
        if block.number == HEAD + 5000:
            break
    assert len(books) == 1  # nothing changed, so nothing was read again
    assert sum(seconds[1:]) / 5000 < 1e-3
    assert sum(seconds[-1000:]) < 3 * sum(seconds[1:1001]) + 0.1


# Keys


def test_keys_depend_on_seed_and_name() -> None:
    assert keypair(7, "alice").ss58_address == ALICE.hotkey
    assert len({keypair(s, n).ss58_address for s in (1, 2) for n in ("a", "b")}) == 4


def test_a_signature_is_checked_whatever_it_looks_like() -> None:
    signature = ALICE.sign(b"message")
    assert verified(b"message", signature, ALICE.hotkey)
    assert not verified(b"another", signature, ALICE.hotkey)
    assert not verified(b"message", signature[:10], ALICE.hotkey)
    assert not verified(b"message", signature, Hotkey("no address"))


def _another_database(path: Path, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (x)")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


def _damaged(path: Path) -> None:
    SimnetChain.create(path, seed=7, genesis_time=GENESIS, head=HEAD).close()
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"x" * (len(content) - 8192))


NO_CHAINS: Mapping[str, Callable[[Path], object]] = {
    "garbage": lambda path: path.write_bytes(b"garbage" * 2_000),
    "empty": Path.touch,
    "folder": Path.mkdir,
    "another database": lambda path: _another_database(path, 0),
    "another of the same version": lambda path: _another_database(path, 1),
    "damaged": _damaged,
}


@pytest.mark.parametrize("make", NO_CHAINS.values(), ids=NO_CHAINS)
def test_what_is_no_chain_is_refused_and_left_alone(
    make: Callable[[Path], object], path: Path
) -> None:
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(ValueError, match=r"is not a chain that can be used .*; put the file back"):
        require_chain(path)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_chain_that_somebody_writes_is_one(chain: SimnetChain, path: Path) -> None:
    writer = open_file(path)
    with transaction(writer):
        require_chain(path)
    writer.close()
