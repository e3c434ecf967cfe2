"""What an entry's losses count for that failed when some of its blocks were scored."""

from __future__ import annotations

import math

import pytest

from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.data.batches import BLOCK_SAMPLES
from sn37.domain.data.samples import Sample
from sn37.domain.reasons import Reason
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import ModelRejected
from sn37.testing.builders import a_round_plan, an_entry_key, an_outcome, losses
from sn37.testing.fakes import FakeStateStore
from tests.support.auditing import audit
from tests.support.fake_world import World, by_quality, last, rows


@pytest.mark.parametrize("huge", [1e39, 1e200, -1e200])
def test_a_loss_beyond_float32_in_a_later_block_fails_its_entry_and_not_the_round(
    huge: float,
) -> None:
    world = World()
    world.miner("first", 1.0, block=100)
    hijacked = world.miner("hijacked", 0.99, block=110)
    world.miner("third", 1.0, block=120)
    exact, num_scored = by_quality(world.qualities), 0

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        nonlocal num_scored
        if artifact.ref.repo != "hijacked/model":
            return exact(artifact, sample)
        num_scored += 1
        return exact(artifact, sample) if num_scored <= 2 * BLOCK_SAMPLES else huge

    world.scorer.loss = loss
    state = world.run()
    assert rows(last(state))["hijacked"] == (Verdict.FAILED, Reason.NON_FINITE)
    assert last(state).winner == "first"
    assert hijacked.key not in dict(last(state).near_duplicates or ())
    assert audit(world.store.memory).differences == ()


@pytest.mark.parametrize("lost", [math.nan, math.inf, 1e39, -math.inf, 1e30])
@pytest.mark.parametrize("at", [0, 17, 299])
def test_t48_one_lost_loss_costs_its_model_and_does_not_convict_it(lost: float, at: int) -> None:
    world = World()
    world.miner("first", 1.0, block=100)
    world.miner("odd", 0.9, block=110)
    exact, num_scored = by_quality(world.qualities), 0

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        nonlocal num_scored
        if artifact.ref.repo != "odd/model":
            return exact(artifact, sample)
        num_scored += 1
        return lost if num_scored == at + 1 else exact(artifact, sample)

    world.scorer.loss = loss
    state = world.run()
    assert rows(last(state))["odd"][0] is Verdict.SCORED
    assert audit(world.store.memory).differences == ()


def with_a_copy_that_fails_late(world: World) -> World:
    """A copy whose evaluation times out once three of its blocks are scored."""
    world.miner("original", 1.0, block=100)
    world.miner("copy", 0.9999, block=110)
    exact, num_scored = by_quality(world.qualities), 0

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        nonlocal num_scored
        num_scored += artifact.ref.repo == "copy/model"
        if num_scored > 3 * BLOCK_SAMPLES:
            raise ModelRejected("too slow", reason=Reason.TIMEOUT)
        return exact(artifact, sample)

    world.scorer.loss = loss
    return world


def test_who_failed_resembles_nobody_and_an_audit_finds_the_same() -> None:
    world = with_a_copy_that_fails_late(World())
    state = world.run()
    assert rows(last(state))["copy"] == (Verdict.FAILED, Reason.TIMEOUT)
    assert last(state).near_duplicates == ()
    assert audit(world.store.memory).differences == ()


def test_a_round_that_was_killed_after_a_failure_ends_as_one_that_was_not() -> None:
    class Killed(FakeStateStore):
        async def finish_round(self, *args: object, **kwargs: object) -> None:
            raise RuntimeError("killed")

    world = with_a_copy_that_fails_late(World(store=Killed()))
    with pytest.raises(ExceptionGroup):
        world.run()
    world.store = FakeStateStore(memory=world.store.memory)
    undisturbed = with_a_copy_that_fails_late(World())
    assert last(world.run()) == last(undisturbed.run())


async def test_of_who_failed_the_state_holds_no_losses_as_the_store() -> None:
    store, plan, entry = FakeStateStore(), a_round_plan(), an_entry_key()
    keeper = StateKeeper(store)
    await keeper.open_round(plan)
    await keeper.append(plan.key, entry, losses())
    failed = an_outcome(entry, verdict=Verdict.FAILED, reason=Reason.TIMEOUT)
    await keeper.finish_entry(plan.key, failed, None)
    assert keeper.state.open_rounds == (await store.load()).open_rounds
    assert keeper.state.open_rounds[plan.key].journal == {}
