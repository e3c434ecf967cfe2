"""Downloads: the next few, several at a time, within the quota (attack 40)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from sn37.app.actors.fetcher import MAX_ALL_TRANSFERS, MAX_TRANSFERS, SLOW_BLOCKS, Fetcher
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.heads import Heads
from sn37.domain.events import Degraded, QueueChanged
from sn37.domain.ids import Block
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import Freshness
from sn37.domain.schedule.schedule import RoundTiming
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import ChainUnavailable, StoreUnavailable
from sn37.testing.builders import (
    a_block_ref,
    a_commitment,
    a_competition,
    a_round_plan,
    a_schedule,
    a_source,
    a_stage,
    a_submission,
    a_task,
    an_artifact,
    some_constraints,
)
from sn37.testing.fakes import FakeChain, FakeModelStore, FakeStateStore, RecordingSink
from tests.support.fake_world import ONE, World

GIB = 1 << 30
TERABYTE = 10**12
HEAD = 1_000


@dataclass(slots=True)
class Scene:
    """A fetcher by itself, with miners whose models all are due soon."""

    models: FakeModelStore = field(default_factory=FakeModelStore)
    chain: FakeChain = field(default_factory=FakeChain)
    heads: Heads = field(default_factory=Heads)
    sink: RecordingSink = field(default_factory=RecordingSink)
    keeper: StateKeeper = field(default_factory=lambda: StateKeeper(FakeStateStore()))

    async def commit(self, *hotkeys: str) -> None:
        for number, hotkey in enumerate(hotkeys):
            commitment = a_commitment(hotkey, 100 + number)
            self.chain.add(commitment)
            self.models.publish(commitment)
            await self.keeper.add_submissions([a_submission(commitment)])

    @asynccontextmanager
    async def fetching(self) -> AsyncIterator[None]:
        fetcher = Fetcher(
            chain=self.chain,
            models=self.models,
            keeper=self.keeper,
            heads=self.heads.subscribe(),
            schedule=a_schedule(a_stage(a_competition(1, reward_share=1.0))),
            sink=self.sink,
        )
        task = asyncio.create_task(fetcher.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

    async def head(self, number: int) -> None:
        self.heads.publish(a_block_ref(number))
        for _ in range(50):  # enough turns for every transfer that does not hang
            await asyncio.sleep(0)

    @property
    def asked(self) -> list[str]:
        return [ref.repo.split("/")[0] for ref in self.models.downloads]

    @property
    def here(self) -> set[str]:
        known = self.keeper.state.submissions.values()
        return {s.commitment.hotkey for s in known if s.artifact is not None}


@pytest.mark.fault("model hub", "slow")
async def test_t40_a_slow_repository_holds_up_nobody() -> None:
    scene = Scene()
    await scene.commit(*"abcdef")
    scene.models.slow = {"a/model"}
    async with scene.fetching():
        await scene.head(HEAD)
        assert scene.here == set("bcdef")


async def test_the_queue_is_reported_when_it_changes_without_copies_and_replaced_ones() -> None:
    scene = Scene()
    await scene.commit(*"abc")
    copy, replaced = a_commitment("copy", 200), a_commitment("a", 50)
    tensors = an_artifact(a_commitment("b", 101)).tensor_digest
    await scene.keeper.add_submissions(
        [
            a_submission(copy, artifact=replace(an_artifact(copy), tensor_digest=tensors)),
            a_submission(replaced),
        ]
    )
    scene.models.slow = {"c/model"}
    async with scene.fetching():
        await scene.head(HEAD)
        await scene.head(HEAD + 1)
        await scene.keeper.open_round(a_round_plan(entries=(a_commitment("a", 100).key,)))
        await scene.head(HEAD + 2)
        await scene.head(HEAD + 3)
    counts = [(e.num_fetched, e.num_waiting) for e in scene.sink.of(QueueChanged)]
    assert counts == [(1, 3), (2, 1), (1, 1)], "one is scored in its first round"


async def test_t40_many_slow_repositories_hold_up_the_others_for_twenty_minutes() -> None:
    scene = Scene()
    slow = [f"slow-{number:02}" for number in range(MAX_TRANSFERS)]
    await scene.commit(*slow, "quick")
    scene.models.slow = {f"{name}/model" for name in slow}
    async with scene.fetching():
        await scene.head(HEAD)
        await scene.head(HEAD + SLOW_BLOCKS - 1)
        assert scene.asked == slow
        await scene.head(HEAD + SLOW_BLOCKS)
        assert scene.here == {"quick"}


async def test_there_are_never_more_transfers_than_the_machine_bears() -> None:
    scene = Scene()
    slow = [f"slow-{number:02}" for number in range(20)]
    await scene.commit(*slow)
    scene.models.slow = {f"{name}/model" for name in slow}
    async with scene.fetching():
        for number in range(0, 10 * SLOW_BLOCKS, SLOW_BLOCKS):
            await scene.head(HEAD + number)
    assert scene.asked == slow[:MAX_ALL_TRANSFERS]


@pytest.mark.fault("model hub", "flapping")
async def test_a_transfer_that_fails_is_tried_again_later_and_holds_up_nobody() -> None:
    scene = Scene()
    await scene.commit(*"abc")
    scene.models.failures = [StoreUnavailable("connection reset")]
    async with scene.fetching():
        await scene.head(HEAD)
        assert scene.here == set("bc")
        await scene.head(HEAD + 1)
        assert scene.here == set("abc")
    assert [e.error for e in scene.sink.of(Degraded)] == ["connection reset"]


@pytest.mark.parametrize("original_is_late", [False, True])
async def test_t01_a_copy_is_told_the_same_whichever_transfer_ends_first(
    original_is_late: bool,
) -> None:
    scene = Scene()
    await scene.commit("alice")
    original = a_commitment("alice", 100)
    if original_is_late:
        scene.models.slow.add(original.model.repo)
    copy = a_commitment("eve", 110, model=original.model)
    async with scene.fetching():
        if not original_is_late:
            await scene.head(HEAD)
        await scene.keeper.add_submissions([a_submission(copy)])
        scene.chain.add(copy)
        await scene.head(HEAD + 1)
    refused = scene.keeper.state.submissions[copy.key]
    assert (scene.keeper.state.submissions[original.key].artifact is None) is original_is_late
    assert refused.rejection is Reason.COPIED_COMMITMENT
    assert refused.detail == "the hash is that of alice, committed at block 100"


@pytest.mark.fault("chain", "flapping")
async def test_an_outage_of_the_chain_ends_no_transfer() -> None:
    scene = Scene()
    await scene.commit(*"ab")
    scene.models.slow = {"a/model"}
    async with scene.fetching():
        await scene.head(HEAD)
        scene.models.slow.clear()
        await scene.commit("c")
        scene.chain.failures = [ChainUnavailable("no endpoint answers")]
        await scene.head(HEAD + 1)
        assert scene.here == {"b"}
        await scene.head(HEAD + 2)
        assert scene.asked == ["a", "b", "c"]


def test_t40_256_submissions_of_15_gib_neither_fill_nor_block_3_tb() -> None:
    size_bytes = 15 * GIB
    live = a_source(freshness=Freshness.LIVE, max_age_s=480)
    competition = a_competition(
        tasks=(a_task(source=live, num_samples=16),),
        delay_blocks=40,
        constraints=some_constraints(max_bytes=20 * GIB),
    )
    quick = RoundTiming(genesis=Block(0), cadence=40, settle=20, freeze_lead=10, files_grace=20)
    schedule = a_schedule(a_stage(competition), timing=quick, max_new_entries=20)
    world = World(schedule=schedule)
    world.models.quota_bytes = 3 * TERABYTE
    names = [f"miner-{number:03}" for number in range(256)]
    for number, name in enumerate(names):
        commitment = a_commitment(name, 100 + number)
        # All about as good: none is raced out, so that only room decides what stays.
        world.miner(
            name,
            1.0 + number / 100_000,
            commitment=commitment,
            artifact=an_artifact(commitment, size_bytes=size_bytes),
        )
    state = world.run(rounds=13, until=2_000)
    scored = {
        e.key.hotkey for r in state.rounds[ONE] for e in r.entries if e.verdict is Verdict.SCORED
    }
    assert scored == set(names)
    first_asked = list(dict.fromkeys(ref.repo.split("/")[0] for ref in world.models.downloads))
    assert first_asked == names
    assert 2 * TERABYTE < world.models.most_bytes <= 3 * TERABYTE
