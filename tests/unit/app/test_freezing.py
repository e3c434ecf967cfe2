"""Pools in practice: read before the sync block, frozen whole, or the round is sat out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from sn37.app.actors.freezer import Freezer
from sn37.app.samples.sources import Sources
from sn37.app.supervision.heads import Heads
from sn37.domain.data.samples import Pool, PoolRequest
from sn37.domain.data.sampling import pool_digest
from sn37.domain.events import Degraded, PoolFrozen, RowsSetAside
from sn37.domain.ids import Block, CompetitionId, RoundKey, TaskName
from sn37.domain.schedule.competition import Freshness
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.errors import DatasetExhausted
from sn37.testing.builders import (
    a_competition,
    a_neuron,
    a_sample,
    a_schedule,
    a_source,
    a_stage,
    a_task,
    some_samples,
    time_of,
)
from sn37.testing.fakes import (
    FakeChain,
    FakeLiveDataset,
    FakePlugin,
    FakeStateStore,
    RecordingSink,
)
from tests.support.fake_world import World

TASK = TaskName("text")


@dataclass(slots=True)
class Slow(FakeLiveDataset):
    """Answers only when blocks have passed."""

    chain: FakeChain | None = None
    blocks: int = 0

    async def collect(self, request: PoolRequest) -> Pool:
        if self.chain is not None:
            self.chain.number = Block(self.chain.number + self.blocks)
        return await FakeLiveDataset.collect(self, request)


@dataclass(slots=True)
class Validator:
    """A freezer and its surroundings, driven block by block."""

    feed: FakeLiveDataset
    chain: FakeChain
    max_deviations: float | None = None
    store: FakeStateStore = field(default_factory=FakeStateStore)
    sink: RecordingSink = field(default_factory=RecordingSink)

    def schedule(self) -> Schedule:
        source = a_source(
            freshness=Freshness.LIVE, max_age_s=4_320, max_deviations=self.max_deviations
        )
        task = a_task(source=source, num_samples=50)
        return a_schedule(a_stage(a_competition(tasks=(task,), delay_blocks=360)))

    def sync(self) -> Block:
        return self.schedule().timing.next_sync_block(self.chain.number)

    def pools(self, sync: Block) -> Pool | None:
        key = RoundKey(CompetitionId(1), sync)
        return asyncio.run(self.store.pools(key)).get(TASK)

    async def watch(self, *blocks: int) -> None:
        """Meet these blocks as heads, one after the other."""
        heads = Heads()
        plugin = FakePlugin(self.feed)
        freezer = Freezer(
            chain=self.chain,
            sources=Sources(lambda _: plugin),
            store=self.store,
            heads=heads.subscribe(),
            schedule=self.schedule(),
            sink=self.sink,
        )
        running = asyncio.create_task(freezer.run())
        for number in blocks:
            self.chain.number = Block(max(self.chain.number, number))
            heads.publish(await self.chain.head())
            await heads.all_idle()
        running.cancel()
        await asyncio.wait([running])


def a_validator(feed: FakeLiveDataset | None = None) -> Validator:
    chain = FakeChain(number=Block(1_000))
    chain.set_members(a_neuron("validator"))
    rows = list(some_samples(4_000, since=time_of(0), every_s=10))
    return Validator(feed=feed or FakeLiveDataset(rows=rows), chain=chain)


def test_t42_rows_that_appear_after_the_freeze_never_enter() -> None:
    validator = a_validator()
    sync = validator.sync()
    asyncio.run(validator.watch(sync - 51, sync - 50))
    frozen = validator.pools(sync)
    assert frozen is not None
    validator.feed.rows.append(a_sample("back-dated", produced_at=time_of(sync - 100)))
    asyncio.run(validator.watch(sync - 20, sync - 1, sync))
    after = validator.pools(sync)
    assert after is not None
    assert pool_digest(after) == pool_digest(frozen)


def test_nothing_is_read_before_the_lead() -> None:
    validator = a_validator()
    sync = validator.sync()
    asyncio.run(validator.watch(sync - 52, sync - 51))
    assert validator.feed.requests == []


@pytest.mark.fault("data plug-in", "slow")
def test_t42_a_read_that_ends_when_the_sync_block_exists_is_thrown_away() -> None:
    feed = Slow(rows=list(some_samples(4_000, since=time_of(0), every_s=10)), blocks=2)
    validator = a_validator(feed)
    feed.chain = validator.chain
    sync = validator.sync()
    asyncio.run(validator.watch(sync - 2))
    assert len(feed.requests) == 1
    assert validator.pools(sync) is None
    assert validator.sink.of(PoolFrozen) == []


@pytest.mark.parametrize(
    "error",
    [KeyError("rows"), RuntimeError("a\nb"), DatasetExhausted(requested=300, available=2)],
)
@pytest.mark.fault("data plug-in", "flapping")
def test_a_plugin_with_a_defect_is_reported_and_read_again_at_the_next_block(
    error: Exception,
) -> None:
    validator = a_validator()
    validator.feed.failures.append(error)
    sync = validator.sync()
    asyncio.run(validator.watch(sync - 50, sync - 49))
    (degraded,) = validator.sink.of(Degraded)
    assert degraded.error.startswith("data set fake: a defect of the plug-in: ")
    assert validator.pools(sync) is not None


def test_t17_rows_that_are_set_aside_are_told_and_not_frozen() -> None:
    validator = a_validator()
    validator.max_deviations = 8.0
    sync = validator.sync()
    moment = time_of(sync - 100)
    long = "".join(map(str, range(30_000)))
    validator.feed.rows += [
        a_sample("a-long", produced_at=moment, reference=long),
        *(a_sample(f"nul-{n:02}\ud800", produced_at=moment, reference="\0") for n in range(30)),
    ]
    asyncio.run(validator.watch(sync - 50))
    told = {
        event.why: (event.num_rows, len(event.row_ids)) for event in validator.sink.of(RowsSetAside)
    }
    assert told == {"a NUL in the text": (30, 20), "outlier by length": (1, 1)}
    assert all(r.encode() for event in validator.sink.of(RowsSetAside) for r in event.row_ids)
    frozen = validator.pools(sync)
    assert frozen is not None
    assert {s.provenance.row_id[:3] for s in frozen.samples} == {"row"}


@pytest.mark.parametrize("begins", [1_080, 1_090])
def test_t42_a_validator_that_missed_the_freeze_waits_for_the_next_round(begins: int) -> None:
    world = World(chain=FakeChain(number=Block(begins)))  # 1,080 is a sync block
    world.miner("honest", 1.0)
    assert [r.key.sync_block for r in world.run(rounds=1).rounds[CompetitionId(1)]] == [1_440]
    assert {key.sync_block for key in world.store.memory.plans} == {1_440}
