"""What the fakes offer to tests beyond their ports."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from sn37.domain.events import Event, HeadAdvanced, Recovered
from sn37.domain.ids import Block, Netuid, Seed
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ValidatorState
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.errors import (
    ChainUnavailable,
    DatasetUnavailable,
    ModelNotPublic,
    ModelRejected,
    ScorerUnavailable,
    StateUnavailable,
)
from sn37.testing.builders import (
    a_block_ref,
    a_commitment,
    a_competition,
    a_job,
    a_neuron,
    a_schedule,
    a_stage,
    a_submission,
    an_artifact,
    every_event,
    some_constraints,
    some_samples,
    some_weights,
)
from sn37.testing.fakes import (
    FakeChain,
    FakeClock,
    FakeModelStore,
    FakeScorer,
    FakeStateStore,
    FakeStaticDataset,
    RecordingSink,
)


async def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    clock, seen = FakeClock(), list[tuple[str, float]]()

    async def tick(name: str, seconds: float, times: int) -> None:
        for _ in range(times):
            await clock.sleep(seconds)
            seen.append((name, clock.monotonic()))

    await asyncio.gather(tick("slow", 10, 1), tick("fast", 4, 3))
    assert seen == [("fast", 4), ("fast", 8), ("slow", 10), ("fast", 12)]


async def test_a_cancelled_sleeper_holds_nobody_up() -> None:
    clock = FakeClock()
    sleeper = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    sleeper.cancel()
    await clock.sleep(5)
    assert clock.monotonic() == 5
    assert clock.sleeps == [1, 5]


async def test_a_negative_sleep_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="-1"):
        await FakeClock().sleep(-1)


async def test_a_failure_is_raised_once() -> None:
    chain = FakeChain(failures=[ChainUnavailable("no answer")])
    with pytest.raises(ChainUnavailable):
        await chain.head()
    assert await chain.head() == a_block_ref(1000)


async def test_the_chain_remembers_who_was_a_member_when() -> None:
    chain = FakeChain()
    chain.set_members(a_neuron("alice"))
    chain.set_members(a_neuron("bob"), since=900)
    chain.set_members(a_neuron("zoe"), netuid=18)

    async def members(at: int, netuid: int = 37) -> list[str]:
        metagraph = await chain.metagraph(a_block_ref(at), Netuid(netuid))
        return [n.hotkey for n in metagraph.neurons]

    assert await members(899) == ["alice"]
    assert await members(900) == ["bob"]
    assert await members(900, 18) == ["zoe"]


async def test_whoever_commits_is_a_member() -> None:
    chain = FakeChain()
    chain.set_members(a_neuron("validator", uid=0))
    chain.add(a_commitment("alice", 100), a_commitment("bob", 200), a_commitment("bob", 300))
    metagraph = await chain.metagraph(a_block_ref(1000))
    assert [(n.uid, n.hotkey) for n in metagraph.neurons] == [
        (0, "validator"),
        (1, "alice"),
        (2, "bob"),
    ]


async def test_blocks_wait_for_the_next_one_and_end_when_stopped() -> None:
    chain = FakeChain()

    async def follow() -> list[Block]:
        return [block.number async for block in chain.blocks()]

    task = asyncio.create_task(follow())
    for num_blocks in (1, 5):
        await asyncio.sleep(0)
        chain.advance(num_blocks)
    await asyncio.sleep(0)
    chain.stop()
    assert await task == [1000, 1001, 1006]


async def test_blocks_end_at_the_head_of_a_chain_that_stands_still() -> None:
    chain = FakeChain(waits=False)
    assert [block.number async for block in chain.blocks()] == [1000]


async def test_weights_show_in_the_metagraph_from_their_block_on() -> None:
    chain = FakeChain()
    chain.set_members(a_neuron("validator"))
    await chain.submit_weights(some_weights({"validator": 1.0}))
    before = (await chain.metagraph(a_block_ref(999))).neurons
    after = (await chain.metagraph(a_block_ref(1000))).neurons
    assert [n.last_update for n in (*before, *after)] == [0, 1000]


async def test_a_private_repository_can_be_fetched_once_it_is_public() -> None:
    commitment = a_commitment("alice")
    store = FakeModelStore(private={"alice/model"})
    artifact = store.publish(commitment)
    with pytest.raises(ModelNotPublic):
        await store.fetch(commitment, some_constraints())
    store.private.clear()
    assert await store.fetch(commitment, some_constraints()) == artifact
    assert store.downloads == [commitment.model]


@pytest.mark.parametrize(
    ("artifact", "reason"),
    [
        (an_artifact(size_bytes=10**9), Reason.TOO_LARGE),
        (an_artifact(parameters=10**9), Reason.PARAMETERS),
        (an_artifact(architecture="GPT2LMHeadModel"), Reason.ARCHITECTURE),
    ],
)
async def test_a_model_beyond_the_limits_is_rejected(
    artifact: ModelArtifact, reason: Reason
) -> None:
    store, commitment = FakeModelStore(), a_commitment()
    store.publish(commitment, artifact)
    with pytest.raises(ModelRejected) as caught:
        await store.fetch(commitment, some_constraints())
    assert caught.value.reason is reason


async def test_losses_are_what_the_test_says() -> None:
    scorer = FakeScorer(loss=lambda model, sample: float(len(sample.reference)))
    job = a_job()
    found = [loss async for block in scorer.score(job) for loss in block.losses]
    assert found == [len(s.reference) for s in job.batches[0].samples]


async def test_a_scorer_can_fail_after_some_blocks_and_goes_on_from_there() -> None:
    scorer = FakeScorer(failures=[ScorerUnavailable("device lost")], fail_after=1)
    blocks = scorer.score(a_job())
    first = await anext(blocks)
    with pytest.raises(ScorerUnavailable):
        await anext(blocks)
    rest = [b.block.first async for b in scorer.score(a_job(skip_blocks=1))]
    assert (first.block.first, rest, scorer.num_running) == (0, [16], 0)


async def test_a_gate_lets_one_block_through_at_a_time() -> None:
    scorer = FakeScorer(gate=asyncio.Semaphore(1))
    async with aclosing(scorer.score(a_job())) as blocks:
        await anext(blocks)
        waiting = asyncio.ensure_future(anext(blocks))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        assert scorer.gate is not None
        scorer.gate.release()
        assert (await waiting).block.first == 16


async def test_a_failing_store_keeps_what_it_had() -> None:
    store = FakeStateStore(failures=[StateUnavailable("disk full")])
    with pytest.raises(StateUnavailable):
        await store.save_submissions([a_submission()])
    assert await store.load() == ValidatorState()


async def test_a_dataset_that_failed_draws_the_same_afterwards() -> None:
    dataset = FakeStaticDataset(failures=[DatasetUnavailable("no answer")])
    with pytest.raises(DatasetUnavailable):
        await dataset.draw(count=3, seed=Seed(1))
    assert await dataset.draw(count=3, seed=Seed(1)) == await FakeStaticDataset().draw(
        count=3, seed=Seed(1)
    )


def test_a_sink_finds_events_by_their_class() -> None:
    sink = RecordingSink()
    for event in every_event():
        sink.emit(event)
    assert [type(e) for e in sink.of(HeadAdvanced)] == [HeadAdvanced]
    assert sink.of(Recovered) == [Recovered(what="chain")]


def test_there_is_a_builder_for_every_event() -> None:
    assert {type(e).__name__ for e in every_event()} == {c.__name__ for c in Event.__subclasses__()}


def test_builders_make_equal_values_each_time() -> None:
    assert a_job() == a_job()
    assert every_event() == every_event()
    assert some_samples(3) == some_samples(4)[:3]


def test_builders_take_what_a_test_cares_about() -> None:
    halves = (a_competition(1, reward_share=0.5), a_competition(2, reward_share=0.5))
    schedule = a_schedule(a_stage(*halves), burn="ash")
    assert isinstance(schedule, Schedule)
    assert schedule.at(Block(0)) == halves
    assert schedule.burn == "ash"
