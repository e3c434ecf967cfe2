"""The validator's follower over the SDK's client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sn37.adapters.subtensor.chain import SubtensorChain
from sn37.app.actors.follower import Follower
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.heads import Heads
from sn37.app.supervision.supervisor import Supervisor
from sn37.domain.events import Degraded, HeadAdvanced, Recovered, SubmissionSeen, ViewAged
from sn37.testing.builders.competitions import a_schedule
from sn37.testing.fakes.state_store import FakeStateStore
from tests.integration.subtensor.world import ALICE, BOB, SUBNET, World


def text(name: str) -> str:
    return f"2:acme:{name}:{'a' * 40}:{'A' * 43}=:1"


class Validator:
    """A follower beside an evaluation that takes for ever."""

    def __init__(self, world: World) -> None:
        self.world = world
        chain = SubtensorChain(world.connection, netuid=SUBNET, clock=world.clock, sink=world.sink)
        self._follower = Follower(
            chain=chain,
            keeper=StateKeeper(FakeStateStore()),
            heads=Heads(),
            schedule=a_schedule(),
            clock=world.clock,
            sink=world.sink,
        )

    async def __aenter__(self) -> Validator:
        actors = {"chain": self._follower.run, "scoring": _evaluate}
        supervisor = Supervisor(clock=self.world.clock, sink=self.world.sink)
        self._running = asyncio.create_task(supervisor.run(actors))
        await self.until(lambda: bool(self.world.sink.of(HeadAdvanced)))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._running.cancel()
        await asyncio.wait({self._running})
        await self.world.connection.close()

    async def until_seen(self, num_submissions: int) -> None:
        await self.until(lambda: len(self.world.sink.of(SubmissionSeen)) >= num_submissions)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():  # noqa: ASYNC110 - everything runs in this loop
                await asyncio.sleep(0)


async def _evaluate() -> None:
    await asyncio.Event().wait()


def a_world() -> World:
    world = World()
    world.substrate.produces = False
    return world


async def test_a_commitment_is_noticed_in_the_block_that_makes_it_final_during_an_evaluation() -> (
    None
):
    world = a_world()
    world.substrate.finality_lag = 2
    async with Validator(world) as validator:
        for number, miner in enumerate((ALICE, BOB), start=1):
            world.substrate.produce()
            world.substrate.commit_text(miner.hotkey, text("model"))
            world.substrate.produce(2)
            await validator.until_seen(number)
    assert [seen.num_blocks_late for seen in world.sink.of(SubmissionSeen)] == [0, 0]


@pytest.mark.fault("chain", "down")
async def test_an_outage_shows_the_age_of_the_last_view_and_ends_by_itself() -> None:
    world = a_world()
    async with Validator(world) as validator:
        before = len(world.sink.of(HeadAdvanced))
        world.substrate.faults.refused = True
        world.substrate.drop_subscriptions()
        await validator.until(lambda: len(world.sink.of(Degraded)) >= 3)
        world.substrate.faults.refused = False
        world.substrate.produce()
        await validator.until(lambda: len(world.sink.of(HeadAdvanced)) > before)
    ages = [event.age_s for event in world.sink.of(ViewAged)]
    assert ages == sorted(ages)
    assert ages[0] < ages[-1]
    assert world.sink.of(ViewAged)[0].head.number == 1200
    assert world.sink.of(Recovered)
