"""A validator that dies around a submission: its weights are on chain once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

import sn37
from sn37.adapters.subtensor.chain import SubtensorChain
from sn37.app.actors.submitter import RETRY_BLOCKS, Submitter
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.heads import Heads
from sn37.app.supervision.health import HealthBoard
from sn37.domain.events import Degraded
from sn37.domain.ids import Block, Hotkey
from sn37.domain.release.version import oldest_version, weights_version
from sn37.domain.round.state import WeightsRecord
from sn37.testing.builders import a_round_key, a_round_result, a_schedule, an_entry_key
from sn37.testing.fakes.state_store import FakeStateStore
from tests.integration.subtensor.world import ALICE, SUBNET, VALIDATOR, World

SYNC = Block(1080)
RULES = a_schedule()  # one competition, a round every 360 blocks


class Killed(BaseException):
    """The process is gone; no code of its own runs any more."""


class MortalStore(FakeStateStore):
    """Dies instead of writing, where a test says so."""

    dies_at_record = False
    dies_after_record = False
    on_record: Callable[[], None] | None = None

    async def record_weights(self, record: WeightsRecord) -> None:
        landed = record.extrinsic is not None
        if landed and self.dies_at_record:
            raise Killed
        await super().record_weights(record)
        if self.on_record is not None:
            self.on_record()
        if not landed and self.dies_after_record:
            raise Killed


class Validator:
    """The submitter of one process after the other, over one state and one chain."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = MortalStore()
        key = a_round_key(1, SYNC)
        winner = an_entry_key(Hotkey(ALICE.hotkey))
        self.store.memory.results[key] = a_round_result(key, champion=winner)

    async def process(self, *, blocks: int = 1) -> None:
        """A fresh process that sees so many blocks."""
        world, heads = self.world, Heads()
        keeper = StateKeeper(self.store)
        await keeper.load()
        chain = SubtensorChain(
            world.connection, netuid=SUBNET, clock=world.clock, sink=world.sink, signer=VALIDATOR
        )
        submitter = Submitter(
            chain=chain, keeper=keeper, heads=heads.subscribe(), schedule=RULES, sink=world.sink
        )
        running = asyncio.create_task(submitter.run())
        for _ in range(blocks):
            heads.publish(await chain.head())
            idle = asyncio.create_task(heads.all_idle())
            await asyncio.wait((running, idle), return_when=asyncio.FIRST_COMPLETED)
            idle.cancel()
            if running.done():
                running.result()  # raises what killed it
            world.substrate.produce()
        running.cancel()

    def recorded(self) -> str | None:
        (record,) = self.store.memory.weights.values()
        return record.extrinsic


@pytest.mark.parametrize("commit_reveal", [False, True])
@pytest.mark.fault("SIGKILL", "weights")
async def test_killed_between_sending_and_recording_it_sends_nothing_again(
    commit_reveal: bool,
) -> None:
    validator = Validator(World(commit_reveal=commit_reveal))
    validator.store.dies_at_record = True
    with pytest.raises(Killed):
        await validator.process()
    validator.store.dies_at_record = False
    await validator.process(blocks=3)
    assert len(validator.world.substrate.submitted) == 1
    assert validator.recorded() == "1201-0001"


@pytest.mark.fault("SIGKILL", "weights")
async def test_killed_before_sending_it_sends_once_nothing_can_be_on_its_way() -> None:
    validator = Validator(World())
    validator.store.dies_after_record = True
    with pytest.raises(Killed):
        await validator.process()
    validator.store.dies_after_record = False
    await validator.process(blocks=RETRY_BLOCKS)
    assert validator.world.substrate.submitted == []
    await validator.process(blocks=3)
    assert len(validator.world.substrate.submitted) == 1
    assert validator.recorded() is not None


async def test_cut_off_while_waiting_for_the_inclusion_it_sends_nothing_again() -> None:
    validator = Validator(World())
    faults, original = validator.world.substrate.faults, validator.world.substrate.on_block

    def include_and_die() -> None:
        original()
        faults.refused = True

    validator.world.substrate.on_block = include_and_die  # type: ignore[method-assign]
    faults.lose_inclusion = True
    await validator.process()
    assert validator.recorded() is None
    validator.world.substrate.on_block = original  # type: ignore[method-assign]
    faults.refused = False
    validator.world.clock.elapsed += 120.0
    await validator.process(blocks=RETRY_BLOCKS + 2)
    assert len(validator.world.substrate.submitted) == 1
    assert validator.recorded() == "1201-0001"


async def test_a_version_that_the_subnet_no_longer_takes_sends_nothing_until_it_is_replaced() -> (
    None
):
    validator = Validator(World())
    substrate, sink = validator.world.substrate, validator.world.sink
    own = weights_version(sn37.__version__)
    substrate.put("WeightsVersionKey", (SUBNET,), own + 1)
    await validator.process(blocks=2 * RETRY_BLOCKS)
    assert [d.what for d in sink.of(Degraded)] == ["weights", "weights"]
    board = HealthBoard(clock=validator.world.clock)
    for event in sink.events:
        board.emit(event)
    shown = board.outages()["weights"].error
    assert f"upgrade sn37 to at least {oldest_version(own + 1)}" in shown
    assert substrate.submitted == []
    substrate.put("WeightsVersionKey", (SUBNET,), own)
    await validator.process()  # the newer one, as far as the chain can tell
    assert len(substrate.submitted) == 1


async def test_a_version_that_is_outdated_while_running_is_told_so_at_the_next_weights() -> None:
    validator = Validator(World())
    substrate = validator.world.substrate

    def raise_the_key() -> None:
        substrate.put("WeightsVersionKey", (SUBNET,), 10**9)

    validator.store.on_record = raise_the_key
    await validator.process(blocks=3)
    assert substrate.submitted == []
    (degraded,) = validator.world.sink.of(Degraded)
    assert "upgrade sn37 to at least 1000.0.0" in degraded.error
