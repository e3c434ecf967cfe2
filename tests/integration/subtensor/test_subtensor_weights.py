"""Weights over the real SDK client: sent once, refused by name, believed when on chain."""

from __future__ import annotations

from pathlib import Path

import bittensor as bt
import pytest

from sn37.adapters.subtensor import weight_setter as weights
from sn37.adapters.subtensor.chain import SubtensorChain
from sn37.domain.events import Cautioned, SharesWithheld, WeightsRevealed
from sn37.domain.ids import Block
from sn37.ports.errors import ChainUnavailable, WeightsRefused
from tests.integration.subtensor.world import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    RIVAL,
    SUBNET,
    VALIDATOR,
    VERSION,
    World,
    shares,
)


async def refusal_of(world: World) -> WeightsRefused:
    with pytest.raises(WeightsRefused) as caught:
        await world.setter().submit(shares(alice=1.0))
    assert "\n" not in str(caught.value)
    return caught.value


class TestPlain:
    async def test_shares_are_on_chain_by_uid(self) -> None:
        world = World()
        extrinsic = await world.setter().submit(shares(alice=0.7, bob=0.3))
        assert world.row() == {world.uid(ALICE): 65_535, world.uid(BOB): 28_086}
        assert extrinsic == "1201-0001"

    async def test_they_come_with_our_version(self) -> None:
        world = World()
        await world.setter().submit(shares(alice=1.0))
        (call,) = world.substrate.submitted
        assert call[2]["version_key"] == VERSION

    async def test_t33_a_warning_says_once_that_weights_can_be_copied(self) -> None:
        world = World()
        setter = world.setter()
        await setter.submit(shares(alice=1.0))
        world.substrate.produce(200)
        await setter.submit(shares(bob=1.0))
        (warning,) = world.sink.of(Cautioned)
        assert "commit-reveal is off" in warning.advice

    async def test_a_share_too_small_for_16_bits_is_reported(self) -> None:
        world = World()
        await world.setter().submit(shares(alice=1 - 7e-6, bob=7e-6))
        assert world.row() == {world.uid(ALICE): 65_535}
        (event,) = world.sink.of(SharesWithheld)
        assert set(event.reasons) == {BOB.hotkey}
        assert "16 bits" in event.reasons[BOB.hotkey]

    async def test_nobody_gets_more_than_the_subnet_allows_and_it_is_reported(self) -> None:
        world = World(max_weight=65_535 // 2)
        await world.setter().submit(shares(alice=0.8, bob=0.1, carol=0.1))
        row = world.row()
        assert row[world.uid(ALICE)] <= sum(row.values()) / 2 + 1
        (event,) = world.sink.of(SharesWithheld)
        assert set(event.reasons) == {ALICE.hotkey}


class TestMembership:
    async def test_the_share_of_a_hotkey_that_left_is_reported(self) -> None:
        world = World()
        await world.setter().submit(shares(alice=0.5, dave=0.5))
        assert world.row() == {world.uid(ALICE): 65_535}
        assert world.sink.of(SharesWithheld)[0].reasons == {DAVE.hotkey: "left the subnet"}

    async def test_t32_a_uid_that_changed_hands_is_not_paid(self) -> None:
        world = World()
        evaluated_at = Block(1200)
        world.substrate.produce(10)
        world.substrate.register(DAVE.hotkey, uid=world.uid(BOB))  # evaluated was Bob
        await world.setter().submit(shares(alice=0.5, bob=0.5), evaluated_at=evaluated_at)
        assert world.row() == {world.uid(ALICE): 65_535}
        assert set(world.sink.of(SharesWithheld)[0].reasons) == {BOB.hotkey}

    async def test_t31_a_hotkey_that_came_back_after_the_evaluation_gets_nothing(self) -> None:
        world = World()
        evaluated_at = Block(1200)
        world.substrate.produce(10)
        slot = world.uid(BOB)
        world.substrate.register(DAVE.hotkey, uid=slot)
        world.substrate.produce(10)
        world.substrate.register(BOB.hotkey)
        await world.setter().submit(shares(alice=0.5, bob=0.5), evaluated_at=evaluated_at)
        assert world.row() == {world.uid(ALICE): 65_535}
        assert "after the evaluation" in world.sink.of(SharesWithheld)[0].reasons[BOB.hotkey]

    async def test_nobody_left_is_a_refusal(self) -> None:
        world = World()
        with pytest.raises(WeightsRefused) as caught:
            await world.setter().submit(shares(dave=1.0))
        assert caught.value.code == "NoHotkeyLeft"
        assert world.substrate.submitted == []

    async def test_t34_weights_of_others_change_nothing_and_are_never_asked_for(self) -> None:
        world = World(commit_reveal=True)
        world.substrate.put("Weights", (SUBNET, world.uid(RIVAL)), [(world.uid(CAROL), 65_535)])
        setter = world.setter()
        await setter.submit(shares(alice=0.7, bob=0.3))
        read: list[object] = []
        original = world.substrate.query

        async def spy(
            module: str, item: str, params: object = None, block_hash: str | None = None
        ) -> object:
            if item == "Weights":
                read.append(params)
            return await original(module, item, params, block_hash)  # type: ignore[arg-type]

        world.substrate.query = spy  # type: ignore[method-assign, assignment]
        world.substrate.reveal_weights(
            VALIDATOR.hotkey,
            {world.uid(ALICE): 65_535, world.uid(BOB): 28_086},
            version_key=VERSION,
        )
        await setter.check_reveals()
        assert read == [[SUBNET, world.uid(VALIDATOR)]]
        assert not [a for a in world.substrate.asked if a.endswith(".Bonds")]

    def test_t34_only_two_readers_of_our_own_row_know_where_weights_are_stored(self) -> None:
        """They are the check of our reveal, and what the leaderboard shows; see its own test."""
        folder = Path(weights.__file__).parent
        knowing = {m.name for m in folder.glob("*.py") if '"Weights"' in m.read_text("utf-8")}
        assert knowing == {"weight_reveals.py", "consensus.py"}


class TestRefusals:
    async def test_too_soon_names_the_block_at_which_they_may_be_set(self) -> None:
        world = World()
        await world.setter().submit(shares(alice=1.0))
        refusal = await refusal_of(world)
        assert refusal.code == "SettingWeightsTooFast"
        assert refusal.next_block == 1301
        world.substrate.produce(99)
        assert (await refusal_of(world)).next_block == 1301
        world.substrate.produce()
        await world.setter().submit(shares(alice=1.0))
        assert len(world.substrate.submitted) == 2

    async def test_an_unregistered_hotkey_is_told_how_to_register(self) -> None:
        world = World()
        with pytest.raises(WeightsRefused, match="btcli subnets register --netuid 37") as caught:
            await world.setter(DAVE).submit(shares(alice=1.0))
        assert caught.value.code == "HotKeyNotRegisteredInSubNet"

    @pytest.mark.parametrize("commit_reveal", [False, True])
    async def test_no_permit(self, commit_reveal: bool) -> None:
        world = World(commit_reveal=commit_reveal)
        world.substrate.set_permit(VALIDATOR.hotkey, False)
        assert (await refusal_of(world)).code == "NeuronNoValidatorPermit"

    @pytest.mark.parametrize("commit_reveal", [False, True])
    async def test_a_version_that_the_subnet_no_longer_takes(self, commit_reveal: bool) -> None:
        world = World(commit_reveal=commit_reveal)
        world.substrate.put("WeightsVersionKey", (SUBNET,), VERSION + 1)
        refusal = await refusal_of(world)
        assert refusal.code == "IncorrectWeightVersionKey"
        assert "upgrade sn37 to at least 1.2.4" in str(refusal)

    @pytest.mark.parametrize("commit_reveal", [False, True])
    async def test_not_enough_stake(self, commit_reveal: bool) -> None:
        world = World(commit_reveal=commit_reveal)
        world.substrate.put("StakeThreshold", (), 2_000 * 10**9)
        refusal = await refusal_of(world)
        assert refusal.code == "NotEnoughStakeToSetWeights"
        assert "1,000 is below the required 2,000" in str(refusal)

    async def test_fewer_miners_than_the_subnet_demands(self) -> None:
        assert (await refusal_of(World(min_weights=3))).code == "WeightVecLengthIsLow"

    async def test_no_such_subnet(self) -> None:
        world = World()
        world.substrate.put("NetworksAdded", (SUBNET,), None)
        assert (await refusal_of(world)).code == "SubnetNotExists"

    async def test_a_pool_that_refuses_is_named_as_the_chain_does(self) -> None:
        world = World()
        world.substrate.faults.pool_refusals = ["Invalid Transaction: Custom error: 6"]
        assert (await refusal_of(world)).code == "RateLimitExceeded"

    @pytest.mark.parametrize("before", [False, True])
    async def test_commit_reveal_that_is_switched_while_they_are_on_their_way(
        self, before: bool
    ) -> None:
        world = World(commit_reveal=before)
        original = world.substrate.on_block

        def switch() -> None:
            original()
            world.substrate.put("CommitRevealWeightsEnabled", (SUBNET,), not before)

        world.substrate.on_block = switch  # type: ignore[method-assign]
        refusal = await refusal_of(world)
        assert refusal.code == ("CommitRevealDisabled" if before else "CommitRevealEnabled")
        assert refusal.next_block is None

    async def test_what_the_sdk_itself_will_not_send_is_a_refusal_in_one_line(self) -> None:
        world = World()

        async def refuse(call: object) -> object:
            raise bt.BittensorError("All weights are zero;\nnothing to set.")

        world.substrate.compose = refuse  # type: ignore[method-assign, assignment]
        assert (await refusal_of(world)).code == "SdkRefused"

    async def test_what_only_the_chain_knows_is_a_refusal_too(self) -> None:
        world = World()
        original = world.substrate.on_block

        def lose_the_permit() -> None:
            original()
            world.substrate.set_permit(VALIDATOR.hotkey, False)

        world.substrate.on_block = lose_the_permit  # type: ignore[method-assign]
        assert (await refusal_of(world)).code == "NeuronNoValidatorPermit"
        assert world.row() == {}

    async def test_without_a_hotkey_nothing_is_sent(self) -> None:
        world = World()
        chain = SubtensorChain(
            world.connection, netuid=SUBNET, clock=world.clock, sink=world.sink, signer=None
        )
        with pytest.raises(WeightsRefused):
            await chain.submit_weights(shares(alice=1.0))
        assert await chain.weights_since(Block(0)) is None
        assert world.substrate.submitted == []


class TestLostConnections:
    async def test_weights_that_landed_unheard_are_a_success(self) -> None:
        world = World()
        world.substrate.faults.lose_inclusion = True
        extrinsic = await world.setter().submit(shares(alice=1.0))
        assert extrinsic == "1201-0001"
        assert len(world.substrate.submitted) == 1

    async def test_weights_that_never_arrived_are_an_outage(self) -> None:
        world = World()
        world.substrate.faults.lose_submission = True
        with pytest.raises(ChainUnavailable):
            await world.setter().submit(shares(alice=1.0))
        assert world.row() == {}

    @pytest.mark.parametrize("answers", range(30))
    @pytest.mark.fault("chain", "flapping")
    async def test_wherever_the_connection_breaks_weights_are_on_chain_once(
        self, answers: int
    ) -> None:
        world = World(commit_reveal=True)
        await world.connection.read("nothing", lambda client: client.block())
        world.substrate.faults.answers_left = answers
        began = Block(world.substrate.ledger.head)
        try:
            extrinsic: str | None = await world.setter().submit(shares(alice=1.0))
        except ChainUnavailable:
            extrinsic = None
        world.substrate.faults.answers_left, world.substrate.faults.refused = None, False
        world.clock.elapsed += 120.0  # the endpoint has rested
        found = await world.setter().since(began)
        assert len(world.substrate.submitted) == (found is not None)
        assert extrinsic in (None, found)

    async def test_a_chain_that_dies_after_the_inclusion_leaves_it_open(self) -> None:
        world = World()
        world.substrate.faults.lose_inclusion = True
        original = world.substrate.on_block

        def die() -> None:
            original()
            world.substrate.faults.refused = True

        world.substrate.on_block = die  # type: ignore[method-assign]
        with pytest.raises(ChainUnavailable):
            await world.setter().submit(shares(alice=1.0))
        world.substrate.faults.refused = False
        world.clock.elapsed += 120.0  # the endpoint has rested
        assert await world.setter().since(Block(1200)) == "1201-0001"

    async def test_an_extrinsic_that_the_pool_knows_already_and_that_lands_is_a_success(
        self,
    ) -> None:
        """As after a crash between sending and recording, within the era."""
        world = World()
        twin = world.setter()
        world.substrate.faults.pool_refusals = ["Transaction Already Imported"]
        original = world.substrate.submit

        async def lands_first(*args: object, **kwargs: object) -> object:
            world.substrate.submit = original  # type: ignore[method-assign]
            refusals, world.substrate.faults.pool_refusals = (
                world.substrate.faults.pool_refusals,
                [],
            )
            await original(*args, **kwargs)  # type: ignore[arg-type]
            world.substrate.faults.pool_refusals = refusals
            return await original(*args, **kwargs)  # type: ignore[arg-type]

        world.substrate.submit = lands_first  # type: ignore[method-assign, assignment]
        assert await twin.submit(shares(alice=1.0)) == "1201-0001"


class TestCommitReveal:
    async def test_weights_are_sealed_and_their_reveal_is_reported(self) -> None:
        world = World(commit_reveal=True)
        setter = world.setter()
        extrinsic = await setter.submit(shares(alice=0.7, bob=0.3))
        assert world.row() == {}
        await setter.check_reveals()
        assert world.sink.of(WeightsRevealed) == []
        row = {world.uid(ALICE): 65_535, world.uid(BOB): 28_086}
        assert world.substrate.reveal_weights(VALIDATOR.hotkey, row, version_key=VERSION)
        await setter.check_reveals()
        await setter.check_reveals()
        assert world.sink.of(WeightsRevealed) == [WeightsRevealed(extrinsic=extrinsic)]
        assert world.sink.of(Cautioned) == []

    async def test_a_reveal_that_the_chain_dropped_is_reported(self) -> None:
        world = World(commit_reveal=True)
        setter = world.setter()
        await setter.submit(shares(alice=1.0))
        world.substrate.set_permit(VALIDATOR.hotkey, False)
        row = {world.uid(ALICE): 65_535}
        assert not world.substrate.reveal_weights(VALIDATOR.hotkey, row, version_key=VERSION)
        await setter.check_reveals()
        (event,) = world.sink.of(WeightsRevealed)
        assert "dropped" in event.fault

    async def test_the_reveal_is_checked_at_the_next_submission(self) -> None:
        world = World(commit_reveal=True)
        setter = world.setter()
        await setter.submit(shares(alice=1.0))
        world.substrate.reveal_weights(
            VALIDATOR.hotkey, {world.uid(ALICE): 65_535}, version_key=VERSION
        )
        world.substrate.produce(200)
        await setter.submit(shares(bob=1.0))
        assert [e.fault for e in world.sink.of(WeightsRevealed)] == [""]

    @pytest.mark.parametrize("counts", [True, False])
    async def test_weights_of_an_earlier_process_are_compared_when_they_open(
        self, counts: bool
    ) -> None:
        world = World(commit_reveal=True)
        weights, evaluated_at = shares(alice=0.7, bob=0.3), Block(world.substrate.ledger.head)
        extrinsic = await world.setter().submit(weights, evaluated_at)
        later = world.setter()
        await later.expect(weights, extrinsic, evaluated_at)
        await later.check_reveals()
        assert world.sink.of(WeightsRevealed) == []
        world.substrate.set_permit(VALIDATOR.hotkey, counts)
        row = {world.uid(ALICE): 65_535, world.uid(BOB): 28_086}
        assert counts is world.substrate.reveal_weights(VALIDATOR.hotkey, row, version_key=VERSION)
        await later.check_reveals()
        (event,) = world.sink.of(WeightsRevealed)
        assert (event.extrinsic, event.fault == "") == (extrinsic, counts)

    async def test_plain_weights_of_an_earlier_process_leave_nothing_to_wait_for(self) -> None:
        world = World()
        began = Block(world.substrate.ledger.head)
        extrinsic = await world.setter().submit(shares(alice=1.0), began)
        later = world.setter()
        await later.expect(shares(alice=1.0), extrinsic, began)
        await later.check_reveals()
        assert world.sink.of(WeightsRevealed) == []

    async def test_too_soon_is_named_as_the_chain_would(self) -> None:
        world = World(commit_reveal=True)
        await world.setter().submit(shares(alice=1.0))
        assert (await refusal_of(world)).code == "CommittingWeightsTooFast"


class TestSince:
    async def test_registering_is_not_setting_weights(self) -> None:
        world = World()
        world.substrate.register(DAVE.hotkey, permit=True, last_update=world.substrate.ledger.head)
        assert await world.setter(DAVE).since(Block(0)) is None

    async def test_weights_in_a_block_with_others_have_their_own_index(self) -> None:
        world = World()
        original = world.substrate.on_block

        def others_first() -> None:
            original()
            world.substrate.commit_text(ALICE.hotkey, "first in the block")

        world.substrate.on_block = others_first  # type: ignore[method-assign]
        assert await world.setter().submit(shares(alice=1.0)) == "1201-0002"
        assert await world.setter().since(Block(1201)) == "1201-0002"
