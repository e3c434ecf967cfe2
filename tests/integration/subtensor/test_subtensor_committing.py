"""Commitments over the real SDK client: sent once, read back, sealed, waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from bittensor import timelock

from sn37.adapters.subtensor.chain import SubtensorChain
from sn37.adapters.subtensor.commitment_sender import CommitmentSender
from sn37.adapters.subtensor.wallet import HotkeySigner
from sn37.app.mining.commitment_note import NotedWriter
from sn37.app.mining.publish import send_commitment
from sn37.domain.events import HeldBack
from sn37.domain.ids import Block, CompetitionId, Digest
from sn37.domain.submission.commitment import StandingCommitment, format_commitment, secure_hash
from sn37.domain.submission.models import ModelRef
from sn37.ports.chain import CommitmentWriter
from sn37.ports.errors import ChainUnavailable, CommitmentRefused
from sn37.testing.hotkey_contract import CommitmentWriterContract
from tests.integration.subtensor.world import ALICE, DAVE, SUBNET, World
from tests.support.substrate import MemorySubstrate, client_over

SOON = timedelta(hours=1)


def sender(world: World, signer: HotkeySigner = ALICE) -> CommitmentSender:
    return CommitmentSender(
        world.connection, netuid=SUBNET, signer=signer, clock=world.clock, sink=world.sink
    )


def noted(world: World, folder: Path) -> NotedWriter:
    """The sender as publishing uses it."""
    chain = SubtensorChain(world.connection, netuid=SUBNET, clock=world.clock, sink=world.sink)
    return NotedWriter(sender(world), chain, folder / "note.json", lambda why, left: None)


def later() -> datetime:
    """An hour from now: the SDK seals to a round of the real beacon."""
    return datetime.now(UTC) + SOON


async def read_back(substrate: MemorySubstrate, signer: HotkeySigner = ALICE) -> str | None:
    """The commitment as the SDK's own reading command shows it."""
    async with client_over(substrate) as client:
        found = await client.read("commitment", netuid=SUBNET, hotkey_ss58=signer.hotkey)
    return None if found is None else str(found.data)


async def status(substrate: MemorySubstrate) -> tuple[object, object]:
    async with client_over(substrate) as client:
        rows = await client.read("commitments", netuid=SUBNET)
    row = next(r for r in rows if r["hotkey"] == ALICE.hotkey)
    return row["status"], row["commitment"]


class TestCommitmentSender(CommitmentWriterContract):
    def writer(self) -> AbstractAsyncContextManager[CommitmentWriter]:
        self.world = World()
        return opened(self.world)

    def silent_writer(self) -> AbstractAsyncContextManager[CommitmentWriter]:
        world = World()
        world.substrate.faults.mute = True
        return opened(world)

    async def committed(self, writer: CommitmentWriter) -> str | None:
        return await read_back(self.world.substrate)

    async def wait_out_the_rate_limit(self, writer: CommitmentWriter) -> None:
        self.world.substrate.produce()


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[CommitmentWriter]:
    try:
        yield sender(world)
    finally:
        await world.connection.close()


class TestPlain:
    async def test_a_text_of_ours_is_read_by_existing_tools_as_it_was_written(self) -> None:
        world = World()
        text = format_commitment(
            ModelRef(
                repo="alice/model",
                revision="a" * 40,
                secure_hash=secure_hash(Digest("x"), ALICE.hotkey),
            ),
            CompetitionId(3),
        )
        at = await sender(world).commit(text)
        assert await read_back(world.substrate) == text
        assert await status(world.substrate) == ("plain", text)
        assert (at.number, at.hash) == (1201, world.substrate.ledger.hash_of(1201))

    async def test_it_costs_no_more_than_the_hotkey(self) -> None:
        world = World()
        await sender(world).commit("text")
        ((module, function, params),) = world.substrate.submitted
        assert (module, function) == ("Commitments", "set_commitment")
        assert params["info"] == {"fields": [{"Raw4": b"text"}]}

    async def test_an_empty_text_is_refused(self) -> None:
        with pytest.raises(CommitmentRefused, match="1 to 128 bytes"):
            await sender(World()).commit("")

    async def test_an_unregistered_hotkey_is_told_how_to_register(self) -> None:
        world = World()
        with pytest.raises(CommitmentRefused, match="btcli subnets register --netuid 37"):
            await sender(world, DAVE).commit("text")
        assert world.substrate.submitted == []

    async def test_what_the_chain_refuses_has_the_chain_s_name(self) -> None:
        world = World()
        original = world.substrate.on_block

        def fill_up() -> None:
            original()
            usage = {"last_epoch": world.substrate.ledger.head // 361, "used_space": 3_100}
            key = (SUBNET, ALICE.hotkey)
            world.substrate.put("UsedSpaceOf", key, usage, pallet="Commitments")

        world.substrate.on_block = fill_up  # type: ignore[method-assign]
        with pytest.raises(CommitmentRefused) as caught:
            await sender(world).commit("text")
        assert caught.value.code == "SpaceLimitExceeded"


class TestSpace:
    async def test_a_full_epoch_is_waited_for_and_said_so_once(self) -> None:
        world = World()
        writer = sender(world)
        for _ in range(31):  # 100 bytes are counted for each, 3,100 an epoch
            await writer.commit("text")
        at = await writer.commit("one more")
        (event,) = world.sink.of(HeldBack)
        assert event.what == "commitment"
        assert "3100 of 3100 bytes" in event.why
        assert at.number > event.until_block
        assert await read_back(world.substrate) == "one more"

    async def test_a_quote_says_until_when_a_full_epoch_holds_it_back(self) -> None:
        world = World()
        writer = sender(world)
        for _ in range(31):
            await writer.commit("text")
        quote = await writer.quote("one more")
        assert quote.due > quote.head + 1
        assert quote.blocks_left == quote.due - quote.head - 1
        assert "3100 of 3100 bytes are used" in quote.why
        assert len(world.substrate.submitted) == 31

    async def test_a_quote_tells_fee_and_membership_and_what_a_seal_stores(self) -> None:
        quote = await sender(World(), DAVE).quote("text", reveal_at=later())
        assert (quote.registered, quote.fee_rao) == (False, 0)
        assert quote.num_bytes > 200

    async def test_the_epoch_s_space_is_the_chain_s_number(self) -> None:
        world = World()
        world.substrate.put("MaxSpace", (), 100, pallet="Commitments")
        with pytest.raises(CommitmentRefused, match="exceed the"):
            await sender(world).commit("x" * 101)


class TestSealed:
    async def test_nobody_can_read_it_before_the_chain_opens_it(self) -> None:
        world = World()
        await sender(world).commit("secret pointer", reveal_at=later())
        assert await status(world.substrate) == ("sealed", None)
        assert "secret" not in repr(world.substrate.submitted)
        assert b"secret pointer".hex() not in repr(world.substrate.ledger.body(1201))
        world.substrate.produce(300)
        world.substrate.reveal_commitment(ALICE.hotkey, "secret pointer")
        assert await status(world.substrate) == ("revealed", "secret pointer")

    async def test_it_opens_with_the_round_at_the_chosen_time(self) -> None:
        world = World()
        reveal_at = later()
        await sender(world).commit("text", reveal_at=reveal_at)
        ((_, _, params),) = world.substrate.submitted
        (sealed,) = params["info"]["fields"]  # type: ignore[index]
        opens_at = timelock.reveal_time(sealed["TimelockEncrypted"]["reveal_round"])
        assert timedelta(0) <= opens_at - reveal_at <= timedelta(seconds=3)

    async def test_a_seal_that_fails_leaves_its_mark(self) -> None:
        world = World()
        await sender(world).commit("text", reveal_at=later())
        world.substrate.fail_reveal(ALICE.hotkey)
        assert await status(world.substrate) == ("failed", None)

    @pytest.mark.parametrize("ahead_s", [-3600, 0, 60])
    async def test_a_time_that_is_over_before_the_inclusion_is_refused(self, ahead_s: int) -> None:
        world = World()
        now = datetime.fromtimestamp(world.substrate.ledger.time_ms(1200) / 1000, UTC)
        with pytest.raises(CommitmentRefused) as caught:
            await sender(world).commit("text", reveal_at=now + timedelta(seconds=ahead_s))
        assert caught.value.code == "InvalidRevealRound"
        assert world.substrate.submitted == []

    async def test_a_seal_that_would_open_after_a_wait_for_space_is_not_sent(self) -> None:
        world = World()
        writer = sender(world)
        for _ in range(31):
            await writer.commit("text")
        now = datetime.fromtimestamp(world.substrate.ledger.time_ms(1231) / 1000, UTC)
        beacon = datetime.now(UTC) - now  # the chain in memory lives earlier than the beacon
        assert beacon > timedelta(0)
        ledger, shift = world.substrate.ledger, int(beacon.total_seconds() * 1000)
        original = ledger.time_ms
        ledger.time_ms = lambda number: original(number) + shift  # type: ignore[method-assign]
        with pytest.raises(CommitmentRefused, match="too soon"):
            await writer.commit("text", reveal_at=datetime.now(UTC) + timedelta(seconds=300))
        assert len(world.sink.of(HeldBack)) == 1
        assert len(world.substrate.submitted) == 31

    async def test_what_would_be_replaced_is_told_in_each_state(self) -> None:
        world = World()
        writer = sender(world)
        assert await writer.standing() is None
        await writer.commit("plain")
        plain = StandingCommitment(block=Block(1201), data=b"plain")
        assert await writer.standing() == plain
        await writer.commit("sealed", reveal_at=later())
        assert await writer.standing() == StandingCommitment(block=Block(1202), data=None)
        world.substrate.produce(10)
        world.substrate.reveal_commitment(ALICE.hotkey, "sealed")
        opened = StandingCommitment(block=Block(1212), data=b"sealed", was_sealed=True)
        assert await writer.standing() == opened

    async def test_a_standing_big_field_is_read_as_validators_read_it(self) -> None:
        world = World()
        text = f"2:acme:model:{'a' * 40}:{'A' * 43}=:1"
        world.substrate.commit_fields(ALICE.hotkey, [{"BigRaw": text.encode()}])
        world.substrate.produce()
        standing = await sender(world).standing()
        assert standing is not None
        assert standing.data == text.encode()


class TestLostConnections:
    async def test_one_that_landed_unheard_is_a_success(self) -> None:
        world = World()
        world.substrate.faults.lose_inclusion = True
        at = await sender(world).commit("text")
        assert at.number == 1201
        assert len(world.substrate.submitted) == 1

    async def test_one_that_never_arrived_is_an_outage(self) -> None:
        world = World()
        world.substrate.commit_text(ALICE.hotkey, "text")  # the same words, of before
        world.substrate.faults.lose_submission = True
        with pytest.raises(ChainUnavailable):
            await sender(world).commit("text")


class TestOrder:
    async def test_t02_the_pointer_is_final_on_chain_before_anybody_may_publish(
        self, tmp_path: Path
    ) -> None:
        """Published earlier, a rival could read the files and commit to them first."""
        world = World()
        world.substrate.finality_lag = 3
        at = await send_commitment(
            noted(world, tmp_path), "pointer", hotkey=ALICE.hotkey, crowns=(), may_replace=False
        )
        assert world.substrate.finalized >= at
        assert await read_back(world.substrate) == "pointer"

    async def test_t02_a_refused_commitment_lets_nobody_publish(self, tmp_path: Path) -> None:
        world = World()
        world.substrate.faults.pool_refusals = ["Invalid Transaction: bad signature"]
        with pytest.raises(CommitmentRefused):
            await send_commitment(
                noted(world, tmp_path), "pointer", hotkey=ALICE.hotkey, crowns=(), may_replace=True
            )

    async def test_blocks_of_commitments_ascend(self) -> None:
        writer = sender(World())
        blocks = [(await writer.commit(text)).number for text in ("a", "b", "c")]
        assert all(a < b for a, b in pairwise(blocks))
