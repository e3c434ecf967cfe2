"""A follower that gets no block: when the wait is a step, and when it is nobody's fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from sn37.app.actors import follower as module
from sn37.app.actors.follower import FAR_BEHIND, Follower
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.deadlines import BUSY_S, Steps
from sn37.app.supervision.heads import Heads
from sn37.domain.ids import Block, BlockRef
from sn37.ports.errors import ChainUnavailable
from sn37.testing.builders import a_block_ref
from sn37.testing.builders.competitions import a_schedule
from sn37.testing.fakes import FakeChain, FakeClock, RecordingSink
from sn37.testing.fakes.state_store import FakeStateStore

STUCK = ["waiting for a block after 1000, which the chain has"]


@dataclass(slots=True)
class MuteChain(FakeChain):
    """A chain whose stream of blocks has the first and those that a test sends."""

    has_first: bool = True
    sent: asyncio.Queue[BlockRef | Exception] = field(default_factory=asyncio.Queue)

    async def blocks(self) -> AsyncIterator[BlockRef]:
        if self.has_first:
            yield a_block_ref(1000)
        while not isinstance(sent := await self.sent.get(), Exception):
            yield sent
        raise sent


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HEAD_AGE_S", 0)
    monkeypatch.setattr(module, "LOOK_S", 0)


@dataclass(slots=True)
class Scene:
    """A follower that waits for a block after 1000."""

    chain: MuteChain = field(default_factory=lambda: MuteChain(number=Block(1000 + FAR_BEHIND)))
    heads: Heads = field(default_factory=Heads)
    steps: Steps = field(default_factory=lambda: Steps(FakeClock()))

    @asynccontextmanager
    async def following(self) -> AsyncIterator[asyncio.Task[None]]:
        follower = Follower(
            chain=self.chain,
            keeper=StateKeeper(FakeStateStore()),
            heads=self.heads,
            schedule=a_schedule(),
            clock=FakeClock(),
            sink=RecordingSink(),
        )

        async def live() -> None:
            with self.steps.of("chain"):
                await follower.run()

        running = asyncio.create_task(live())
        await self.turn()
        yield running
        running.cancel()
        await asyncio.wait([running])
        assert self.doing() == []

    async def turn(self) -> None:
        """Let some looks go by."""
        for _ in range(200):
            await asyncio.sleep(0)

    def doing(self) -> list[str]:
        return [s.doing for s in self.steps.running()]


@pytest.mark.fault("stuck", "following")
async def test_a_follower_that_misses_what_the_chain_has_is_stuck() -> None:
    scene = Scene()
    async with scene.following():
        assert scene.heads.newest == a_block_ref(1000)
        assert scene.doing() == STUCK
        scene.steps.tick(BUSY_S + 1)
        assert [s.actor for s in scene.steps.overdue()] == ["chain"]


async def test_one_that_gets_a_block_is_not() -> None:
    scene = Scene()
    async with scene.following():
        assert scene.doing() == STUCK
        scene.chain.sent.put_nowait(a_block_ref(1000 + FAR_BEHIND))
        await scene.turn()
        assert scene.heads.newest == a_block_ref(1000 + FAR_BEHIND)
        assert scene.doing() == []


async def test_a_chain_that_stands_still_is_none_of_its_fault() -> None:
    scene = Scene(chain=MuteChain(number=Block(1000)))
    async with scene.following():
        assert scene.doing() == []
        scene.chain.sent.put_nowait(a_block_ref(1001))
        await scene.turn()
        assert scene.heads.newest == a_block_ref(1001)


async def test_nor_is_one_that_does_not_answer() -> None:
    scene = Scene()
    async with scene.following():
        scene.chain.sent.put_nowait(a_block_ref(1001))
        scene.chain.number = Block(1001)
        await scene.turn()
        scene.chain.failures = [ChainUnavailable("down") for _ in range(10**6)]
        scene.chain.number = Block(1001 + FAR_BEHIND)
        await scene.turn()
        assert scene.doing() == []
        scene.chain.failures.clear()
        await scene.turn()
        assert scene.doing() == ["waiting for a block after 1001, which the chain has"]


async def test_one_whose_stream_fails_tells_of_an_outage_instead() -> None:
    scene = Scene()
    async with scene.following() as follower:
        assert scene.doing() == STUCK
        scene.chain.sent.put_nowait(ChainUnavailable("down"))
        with pytest.raises(ChainUnavailable):
            await follower
        assert scene.doing() == []


async def test_before_its_first_block_there_is_nothing_to_miss() -> None:
    scene = Scene(chain=MuteChain(number=Block(1000 + FAR_BEHIND), has_first=False))
    async with scene.following() as follower:
        assert (scene.heads.newest, scene.doing()) == (None, [])
        assert not follower.done()
