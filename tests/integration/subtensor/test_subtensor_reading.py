"""Members and commitments over the SDK's client, whatever a miner or an endpoint does."""

from __future__ import annotations

import logging
from asyncio import gather
from collections.abc import Callable

import pytest

from sn37.adapters.subtensor.reader import ChainReader
from sn37.domain.ids import Block, BlockRef, CompetitionId, Digest, Hotkey, Netuid
from sn37.domain.submission.commitment import CommitmentBook, CommitmentFault, secure_hash
from sn37.ports.errors import ChainUnavailable
from tests.integration.subtensor.polling import grown_bytes
from tests.integration.subtensor.world import ALICE, BOB, CAROL, DAVE, SUBNET, World
from tests.support.substrate import MemorySubstrate


def text(name: str = "model", competition: int = 1) -> str:
    return f"2:acme:{name}:{'a' * 40}:{'A' * 43}=:{competition}"


def a_reader(world: World, *substrates: MemorySubstrate) -> ChainReader:
    connection = world.connect(*(substrates or (world.substrate,)))
    return ChainReader(connection, netuid=SUBNET, clock=world.clock)


async def book_of(world: World) -> CommitmentBook:
    reader = a_reader(world)
    return await reader.commitments(await reader.head())


def in_order(book: CommitmentBook) -> list[Hotkey]:
    """Who committed, the first first."""
    found = sorted(book.well_formed.values(), key=lambda commitment: commitment.precedence)
    return [commitment.hotkey for commitment in found]


def a_twin(node: MemorySubstrate) -> MemorySubstrate:
    """Another endpoint of the same chain."""
    twin = MemorySubstrate()
    twin.ledger = node.ledger
    return twin


def three_in_a_block() -> tuple[World, MemorySubstrate]:
    """Of which one endpoint has kept the block, and a second only the state."""
    world = World()
    for signer in (CAROL, ALICE, BOB):
        world.substrate.commit_text(signer.hotkey, text())
    bodiless = a_twin(world.substrate)
    bodiless.faults.bodiless = True
    return world, bodiless


class TestRecords:
    async def test_a_sealed_commitment_through_all_its_states(self) -> None:
        world = World()
        chain, hotkey = world.substrate, ALICE.hotkey
        chain.commit_sealed(hotkey, b"sealed", 99)
        assert await book_of(world) == CommitmentBook()
        chain.produce()
        chain.reveal_commitment(hotkey, text("first"))
        opened = (await book_of(world)).well_formed[hotkey]
        assert (opened.model.repo, opened.block) == ("acme/first", 1201)
        chain.produce()
        chain.commit_sealed(hotkey, b"sealed again", 199)
        assert (await book_of(world)).well_formed[hotkey] == opened  # the newest that is open
        chain.produce()
        chain.commit_text(hotkey, text("plain"))
        assert (await book_of(world)).well_formed[hotkey].model.repo == "acme/plain"

    async def test_a_seal_that_never_opens_is_told_to_the_miner(self) -> None:
        world = World()
        world.substrate.commit_sealed(ALICE.hotkey, b"sealed", 99)
        world.substrate.fail_reveal(ALICE.hotkey)
        record = (await book_of(world)).malformed[ALICE.hotkey]
        assert record.fault is CommitmentFault.UNOPENED
        assert "commit again" in record.detail

    async def test_a_request_to_reset_bonds_alone_is_no_attempt_at_a_commitment(self) -> None:
        world = World()
        world.substrate.commit_fields(ALICE.hotkey, ["ResetBondsFlag"])
        world.substrate.commit_fields(BOB.hotkey, ["ResetBondsFlag", {"BigRaw": text().encode()}])
        book = await book_of(world)
        assert set(book.well_formed) == {BOB.hotkey}
        assert not book.malformed

    async def test_a_failed_seal_does_not_take_an_earlier_record_away(self) -> None:
        world = World()
        world.substrate.commit_sealed(ALICE.hotkey, b"sealed", 99)
        world.substrate.reveal_commitment(ALICE.hotkey, text("first"))
        world.substrate.produce()
        world.substrate.commit_sealed(ALICE.hotkey, b"sealed", 199)
        world.substrate.fail_reveal(ALICE.hotkey)
        assert (await book_of(world)).well_formed[ALICE.hotkey].model.repo == "acme/first"

    async def test_a_call_in_the_block_of_a_reveal_is_the_newer_one(self) -> None:
        world = World()
        world.substrate.commit_sealed(ALICE.hotkey, b"sealed", 99)
        world.substrate.reveal_commitment(ALICE.hotkey, text("revealed"))
        world.substrate.commit_text(ALICE.hotkey, text("called"))
        assert (await book_of(world)).well_formed[ALICE.hotkey].model.repo == "acme/called"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xff\xfe\x00",
            b"\x1b[31mred\x07",
            b"\xed\xa0\x80",
            b"0x41",
            b"2:a:b:c:d:1\n" * 9,
            "\u202etxt.exe:\u2066".encode(),
        ],
    )
    @pytest.mark.fault("chain", "wrong")
    async def test_hostile_bytes_come_back_as_one_clean_line(self, data: bytes) -> None:
        world = World()
        world.substrate.commit_text(ALICE.hotkey, data)
        world.substrate.commit_sealed(BOB.hotkey, b"sealed", 99)
        world.substrate.reveal_commitment(BOB.hotkey, data * 3)
        book = await book_of(world)
        assert set(book.malformed) == {ALICE.hotkey, BOB.hotkey}
        for record in book.malformed.values():
            assert record.detail.isascii()
            assert record.detail.isprintable()
            assert len(record.detail) < 200

    async def test_a_text_may_span_several_fields(self) -> None:
        world = World()
        halves = [text()[:60].encode(), text()[60:].encode()]
        fields: list[object] = [{f"Raw{len(half)}": half} for half in halves]
        world.substrate.commit_fields(ALICE.hotkey, fields)
        assert ALICE.hotkey in (await book_of(world)).well_formed

    async def test_a_hash_alone_is_no_text(self) -> None:
        world = World()
        world.substrate.commit_fields(ALICE.hotkey, [{"Sha256": "0x" + "ab" * 32}])
        assert (await book_of(world)).malformed[ALICE.hotkey].fault is CommitmentFault.EMPTY

    async def test_who_has_left_the_subnet_is_left_out(self) -> None:
        world = World()
        world.substrate.commit_text(ALICE.hotkey, text())
        world.substrate.produce()
        world.substrate.register(DAVE.hotkey, uid=world.uid(ALICE))
        assert await book_of(world) == CommitmentBook()

    async def test_an_unchanged_book_is_the_same_object(self) -> None:
        world = World()
        world.substrate.commit_text(ALICE.hotkey, text())
        reader = a_reader(world)
        first = await reader.commitments(await reader.head())
        world.substrate.produce()
        assert await reader.commitments(await reader.head()) is first


class TestBaseModels:
    async def test_the_pre_training_subnet_is_read_with_its_old_texts_the_best_first(self) -> None:
        world = World()
        chain, people = world.substrate, (ALICE, BOB, CAROL, DAVE)
        chain.add_subnet(9)
        v1 = text().removeprefix("2:")
        texts = (v1, v1.rpartition(":")[0], "junk", text(competition=7))
        for signer, written in zip(people, texts, strict=True):
            chain.register(signer.hotkey, netuid=9)
            chain.produce()
            chain.commit_text(signer.hotkey, written, netuid=9)
        chain.put("Incentive", (9,), [100, 300, 60_000, 200])
        reader = a_reader(world)
        at = await reader.head()
        default = CompetitionId(4)
        found = await reader.base_models(at, default_competition=default)
        assert [m.commitment.hotkey for m in found] == [BOB.hotkey, DAVE.hotkey, ALICE.hotkey]
        assert [m.commitment.competition for m in found] == [4, 7, 1]
        assert found[0].incentive == pytest.approx(300 / 65_535)
        (old,) = await reader.base_models(at, default_competition=default, competitions={default})
        assert old == found[0]


class TestAttacks:
    async def test_t01_a_copied_text_names_a_hash_that_is_bound_to_another_hotkey(self) -> None:
        world = World()
        files = Digest("model hash of Alice's files")
        mine = text().replace("A" * 43 + "=", secure_hash(files, Hotkey(ALICE.hotkey)))
        for signer in (ALICE, BOB):
            world.substrate.commit_text(signer.hotkey, mine)
            world.substrate.produce()
        bound = {
            hotkey: commitment.model.secure_hash == secure_hash(files, hotkey)
            for hotkey, commitment in (await book_of(world)).well_formed.items()
        }
        assert bound == {ALICE.hotkey: True, BOB.hotkey: False}

    async def test_t08_two_commitments_in_one_block_are_ordered_by_their_extrinsics(self) -> None:
        world = World()
        for signer in (CAROL, ALICE, BOB):
            world.substrate.commit_text(signer.hotkey, text())
        found = (await book_of(world)).well_formed
        order = sorted(found.values(), key=lambda commitment: commitment.precedence)
        assert [c.hotkey for c in order] == [CAROL.hotkey, ALICE.hotkey, BOB.hotkey]

    async def test_t08_the_body_of_a_block_is_read_on_such_a_tie_only_and_once(self) -> None:
        world = World()
        world.substrate.commit_text(ALICE.hotkey, text())
        world.substrate.commit_text(BOB.hotkey, "junk")  # competes with nobody
        reader = a_reader(world)
        await reader.commitments(await reader.head())
        asked = world.substrate.asked
        assert "get_block" not in asked
        world.substrate.commit_text(CAROL.hotkey, text())
        for _ in range(3):
            world.substrate.produce()
            world.substrate.commit_text(BOB.hotkey, text())
            await reader.commitments(await reader.head())
        assert asked["get_block"] == 1

    async def test_t08_an_endpoint_without_the_block_is_passed_over_for_one_that_has_it(
        self,
    ) -> None:
        world, bodiless = three_in_a_block()
        reader = a_reader(world, bodiless, world.substrate)
        book = await reader.commitments(await reader.head())
        assert in_order(book) == [CAROL.hotkey, ALICE.hotkey, BOB.hotkey]

    async def test_t08_while_the_endpoint_that_has_the_block_is_down_nobody_is_ordered(
        self,
    ) -> None:
        world, bodiless = three_in_a_block()
        world.substrate.faults.refused = True
        reader = a_reader(world, bodiless, world.substrate)
        at = await reader.head()
        with pytest.raises(ChainUnavailable, match="block 1200 is no longer kept by the endpoint"):
            await reader.commitments(at)
        world.substrate.faults.refused = False
        await world.clock.sleep(600)
        assert in_order(await reader.commitments(at)) == [CAROL.hotkey, ALICE.hotkey, BOB.hotkey]

    async def test_t08_an_order_that_no_endpoint_knows_is_asked_for_again(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World()
        for signer in (CAROL, ALICE, BOB):
            world.substrate.commit_text(signer.hotkey, text())
        world.substrate.faults.bodiless = True
        reader = a_reader(world)
        at = await reader.head()
        for _ in range(3):
            book = await reader.commitments(at)
            assert in_order(book) == sorted(book.well_formed)
        assert caplog.text.count("no endpoint keeps block 1200") == 1
        world.substrate.faults.bodiless = False
        assert in_order(await reader.commitments(at)) == [CAROL.hotkey, ALICE.hotkey, BOB.hotkey]

    async def test_t08_a_batch_does_not_get_ahead(self) -> None:
        world = World()
        world.substrate.commit_text(ALICE.hotkey, text())
        commit = {"netuid": SUBNET, "info": {"fields": [{"Raw1": b"x"}]}}
        world.substrate.dispatch("Commitments", "set_commitment", commit, BOB.hotkey)
        call = {
            "call_module": "Commitments",
            "call_function": "set_commitment",
            "call_args": [{"name": "netuid", "value": SUBNET}],
        }
        batch = {
            "call_module": "Utility",
            "call_function": "batch",
            "call_args": [{"name": "calls", "value": [call]}],
        }
        world.substrate.ledger.include({"address": {"Id": BOB.hotkey}, "call": batch})
        world.substrate.commit_fields(BOB.hotkey, [{f"Raw{len(text())}": text().encode()}])
        found = (await book_of(world)).well_formed
        assert found[ALICE.hotkey].precedence < found[BOB.hotkey].precedence

    async def test_t08_who_cannot_be_found_in_the_block_comes_last(self) -> None:
        world = World()
        world.substrate.commit_text(ALICE.hotkey, text())
        hidden = {"netuid": SUBNET, "info": {"fields": [{f"Raw{len(text())}": text().encode()}]}}
        world.substrate.dispatch("Commitments", "set_commitment", hidden, BOB.hotkey)
        found = (await book_of(world)).well_formed
        assert found[ALICE.hotkey].precedence < found[BOB.hotkey].precedence

    async def test_t09_a_branch_instead_of_a_commit_is_malformed(self) -> None:
        world = World()
        world.substrate.commit_text(ALICE.hotkey, text().replace("a" * 40, "main"))
        assert (await book_of(world)).malformed[ALICE.hotkey].fault is CommitmentFault.REVISION

    async def test_t29_a_new_commitment_has_its_own_block_and_moves_nobody_elses(self) -> None:
        world = World()
        world.substrate.commit_text(ALICE.hotkey, text())
        world.substrate.produce()
        world.substrate.commit_text(BOB.hotkey, text())
        before = await book_of(world)
        world.substrate.produce(10)
        world.substrate.commit_text(ALICE.hotkey, text())
        after = await book_of(world)
        assert after.well_formed[ALICE.hotkey].block == 1211
        assert after.well_formed[BOB.hotkey] == before.well_formed[BOB.hotkey]

    async def test_t30_a_hotkey_has_one_entry_however_often_it_commits(self) -> None:
        world = World()
        for competition in (1, 2, 3):
            world.substrate.commit_text(ALICE.hotkey, text(competition=competition))
            world.substrate.produce()
        found = (await book_of(world)).well_formed
        assert [c.competition for c in found.values()] == [3]

    async def test_t31_a_commitment_from_before_the_registration_shows_as_older_than_it(
        self,
    ) -> None:
        world = World()
        world.substrate.commit_text(ALICE.hotkey, text())
        uid = world.uid(ALICE)
        world.substrate.produce(5)
        world.substrate.register(DAVE.hotkey, uid=uid)
        world.substrate.produce(5)
        world.substrate.register(ALICE.hotkey, uid=world.uid(BOB))
        reader = a_reader(world)
        at = await reader.head()
        commitment = (await reader.commitments(at)).well_formed[Hotkey(ALICE.hotkey)]
        neuron = (await reader.metagraph(at)).find(Hotkey(ALICE.hotkey))
        assert neuron is not None
        assert commitment.block < neuron.registered_at

    async def test_t32_the_next_holder_of_a_uid_inherits_no_commitment(self) -> None:
        world = World()
        world.substrate.commit_text(ALICE.hotkey, text("alice"))
        world.substrate.produce()
        world.substrate.register(DAVE.hotkey, uid=world.uid(ALICE))
        world.substrate.commit_text(DAVE.hotkey, text("dave"))
        found = (await book_of(world)).well_formed
        assert {h: c.model.repo for h, c in found.items()} == {DAVE.hotkey: "acme/dave"}

    @pytest.mark.fault("chain", "wrong")
    async def test_t43_two_endpoints_that_disagree_on_a_final_hash_stop_the_round(self) -> None:
        world = World()
        liar = MemorySubstrate(head=world.substrate.ledger.head, salt="another chain")
        reader = a_reader(world, world.substrate, liar)
        with pytest.raises(ChainUnavailable, match=r"node 0 says 0x.*node 1 says 0x"):
            await reader.block(Block(1200))

    async def test_t43_endpoints_that_agree_are_asked_once_for_a_block(self) -> None:
        world = World()
        twin = MemorySubstrate(head=world.substrate.ledger.head)
        reader = a_reader(world, world.substrate, twin)
        for _ in range(3):
            assert (await reader.block(Block(1100))).number == 1100
        assert twin.asked["block_hash"] == 1

    async def test_t43_an_endpoint_that_lags_is_waited_for(self) -> None:
        world = World()
        behind = MemorySubstrate(head=1199)
        reader = a_reader(world, world.substrate, behind)
        with pytest.raises(ChainUnavailable, match="node 1 says nothing yet"):
            await reader.block(Block(1200))
        assert sum(world.clock.sleeps) >= 12  # a block's time

    async def test_t43_a_dead_second_endpoint_is_no_agreement(self) -> None:
        world = World()
        dead = MemorySubstrate(head=1200)
        dead.faults.refused = True
        with pytest.raises(ChainUnavailable, match="node 1: connection refused"):
            await a_reader(world, world.substrate, dead).block(Block(1200))

    async def test_t43_with_one_endpoint_it_is_said_once_that_nothing_was_compared(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World()
        reader = a_reader(world)
        with caplog.at_level(logging.WARNING):
            await reader.block(Block(1100))
            await reader.block(Block(1101))
        (record,) = caplog.records
        assert "--endpoint" in record.message


class TestOneEndpointThatInvents:
    """Behind a true hash (attack 61): the liar's blocks have the hashes of the chain's."""

    @pytest.mark.parametrize(
        "invent",
        [
            lambda liar: liar.commit_text(ALICE.hotkey, text("invented")),
            lambda liar: liar.commit_text(CAROL.hotkey, text("another")),
            lambda liar: liar.register(DAVE.hotkey),
            lambda liar: liar.register(BOB.hotkey, uid=3, stake_tao=10**6),
            lambda liar: liar.register(BOB.hotkey, uid=3, permit=True),
        ],
        ids=["commitment", "changed commitment", "member", "stake", "permit"],
    )
    @pytest.mark.parametrize("liar_first", [True, False])
    @pytest.mark.fault("chain", "wrong")
    async def test_t61_what_a_round_rests_on_is_compared_at_its_block(
        self, invent: Callable[[MemorySubstrate], object], liar_first: bool
    ) -> None:
        honest, liar = World(), World()
        for world in (honest, liar):
            world.substrate.commit_text(CAROL.hotkey, text("carol"))
        invent(liar.substrate)
        for world in (honest, liar):
            world.substrate.produce(1210 - world.substrate.ledger.head)
        nodes = [honest.substrate, liar.substrate]
        reader = a_reader(honest, *(reversed(nodes) if liar_first else nodes))
        at = await reader.block(Block(1210))  # its hash is one and the same
        with pytest.raises(ChainUnavailable, match=r"node \d says \w{16}; node \d says") as caught:
            await gather(reader.metagraph(at), reader.commitments(at))
        assert "the round waits until they agree" in str(caught.value)

    async def test_t61_members_seen_in_a_poll_are_not_taken_for_a_round(self) -> None:
        honest, liar = World(), World()
        liar.substrate.register(DAVE.hotkey)
        for world in (honest, liar):
            world.substrate.produce(1210 - world.substrate.ledger.head)
        reader = a_reader(honest, liar.substrate, honest.substrate)
        head = await reader.head()
        assert (await reader.metagraph(head)).find(Hotkey(DAVE.hotkey)) is not None  # one was asked
        assert await reader.block(head.number) == head
        with pytest.raises(ChainUnavailable, match="metagraph of subnet 37"):
            await reader.metagraph(head)

    async def test_t61_a_dead_second_endpoint_is_no_agreement(self) -> None:
        world = World()
        twin = a_twin(world.substrate)
        reader = a_reader(world, world.substrate, twin)
        at = await reader.block(Block(1200))
        twin.faults.refused = True
        with pytest.raises(ChainUnavailable, match="node 1: connection refused"):
            await reader.commitments(at)

    async def test_t61_endpoints_that_agree_give_a_round_what_one_gives_a_poll(self) -> None:
        world = World()
        world.substrate.commit_text(ALICE.hotkey, text())
        world.substrate.produce()
        reader = a_reader(world, world.substrate, a_twin(world.substrate))
        head = await reader.head()
        polled = await reader.commitments(head), await reader.metagraph(head)
        at = await reader.block(head.number)
        assert (await reader.commitments(at), await reader.metagraph(at)) == polled

    @pytest.mark.parametrize("pruned", [0, 1])
    async def test_t61_a_state_that_only_one_endpoint_keeps_is_read_there(
        self, pruned: int
    ) -> None:
        world = World()
        nodes = [world.substrate, a_twin(world.substrate)]
        reader = a_reader(world, *nodes)
        at = await reader.block(Block(1200))
        nodes[pruned].faults.pruned_below = 1201
        assert (await reader.metagraph(at)).neurons
        nodes[1 - pruned].faults.pruned_below = 1201
        with pytest.raises(ChainUnavailable, match="archive endpoint"):
            await reader.commitments(at)


class TestPinning:
    async def test_a_reorganisation_of_blocks_that_are_not_final_is_never_seen(self) -> None:
        world = World()
        chain = world.substrate
        chain.finality_lag = 3
        chain.produce(3)
        reader = a_reader(world)
        chain.commit_text(ALICE.hotkey, text())
        at = await reader.head()
        assert await reader.commitments(at) == CommitmentBook()
        chain.reorganize(3)
        assert await reader.head() == at
        assert await reader.commitments(at) == CommitmentBook()
        assert await reader.block(at.number) == at

    async def test_a_hash_that_is_on_no_chain_is_unavailable(self) -> None:
        world = World()
        with pytest.raises(ChainUnavailable, match="not found"):
            await a_reader(world).metagraph(BlockRef(Block(1200), "0x" + "ab" * 32))

    async def test_a_pruned_state_is_unavailable_with_the_remedy(self) -> None:
        world = World()
        world.substrate.faults.pruned_below = 1150
        reader = a_reader(world)
        at = await reader.block(Block(1100))
        for question in (reader.commitments, reader.metagraph, reader.timestamp):
            with pytest.raises(ChainUnavailable, match="archive endpoint"):
                await question(at)

    async def test_a_subnet_that_does_not_exist_has_no_members(self) -> None:
        reader = a_reader(World())
        assert (await reader.metagraph(await reader.head(), Netuid(404))).neurons == ()


class TestForLong:
    async def test_memory_is_flat_over_five_thousand_polls(self) -> None:
        assert await grown_bytes(5000) < 10_000  # over 200 of them: less than 50 bytes a poll
