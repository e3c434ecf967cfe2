"""A validator that is disturbed in each of its phases: stuck, stopped, and without disk space."""

from __future__ import annotations

import asyncio
import math
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sn37.adapters.sqlite import maintenance
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.rounds.model_fetch import SLOWEST_BYTES_PER_S
from sn37.app.samples.sources import Sources
from sn37.app.supervision.deadlines import BUSY_S, Step
from sn37.domain.events import Degraded, Recovered
from sn37.domain.round.state import ValidatorState
from sn37.domain.schedule.competition import Competition
from sn37.domain.scoring.deadlines import WALL_FACTOR
from sn37.domain.scoring.jobs import ScoringJob
from sn37.testing.fakes import FakeChain, FakeModelStore, FakeScorer, FakeStateStore
from tests.support.fake_world import ONE, World, one_competition


def a_world(disk: SqliteStateStore | None = None) -> World:
    world = World(disk=disk)
    world.miner("first", 1.0, block=100)
    world.miner("better", 0.9, block=110)
    return world


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Somewhere in a phase: a call that a test can make wait for ever."""

    owner: type
    call: str
    actor: str
    doing: str
    within_s: float = BUSY_S

    @asynccontextmanager
    async def reached(self, world: World) -> AsyncIterator[asyncio.Task[ValidatorState]]:
        """The running validator, as soon as it waits here."""
        arrived = asyncio.Event()

        async def wait(*_: object, **__: object) -> None:
            arrived.set()
            await asyncio.Event().wait()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.owner, self.call, wait)
            running = asyncio.create_task(world.live(rounds=1, until=4_000))
            await arrived.wait()
            for _ in range(100):  # the other actors run on for as far as they can
                await asyncio.sleep(0)
            while _look_in_threads(world):  # noqa: ASYNC110 - a thread wakes nobody
                await asyncio.sleep(0)
            yield running
            running.cancel()
            await asyncio.wait([running])


def _look_in_threads(world: World) -> bool:
    """True while the actors that look at disk and subnet, in threads, are at it."""
    busy = (s.actor for s in world.steps.running() if math.isfinite(s.within_s))
    return not {"alarms", "subnet"}.isdisjoint(busy)


LIMITS: Competition = one_competition().stages[0].competitions[0]
FETCH_S = BUSY_S + LIMITS.constraints.max_bytes / SLOWEST_BYTES_PER_S

FOLLOWING = Place(owner=FakeChain, call="commitments", actor="chain", doing="reading block 900")
FREEZE = Place(owner=Sources, call="collect", actor="data", doing="reading fake")
FETCH = Place(
    owner=FakeModelStore,
    call="fetch",
    actor="models",
    doing="fetching first/model",
    within_s=FETCH_S,
)
OPENING = Place(
    owner=FakeModelStore,
    call="availability",
    actor="rounds",
    doing="asking for first/model",
)
EVALUATION = Place(
    owner=FakeScorer,
    call="_wait",
    actor="scoring",
    doing="scoring first",
    within_s=BUSY_S + WALL_FACTOR * LIMITS.timeout_s,
)
RECEIPTS = Place(owner=FakeStateStore, call="finish_entry", actor="scoring", doing="block 1081")
WEIGHTS = Place(
    owner=FakeChain,
    call="submit_weights",
    actor="weights",
    doing="setting the weights of block 1080",
)


PLACES = (FOLLOWING, FREEZE, FETCH, OPENING, EVALUATION, RECEIPTS, WEIGHTS)
in_every_place = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.call)


@pytest.mark.fault("stuck", "following")
@pytest.mark.fault("stuck", "freeze")
@pytest.mark.fault("stuck", "fetch")
@pytest.mark.fault("stuck", "opening")
@pytest.mark.fault("stuck", "evaluation")
@pytest.mark.fault("stuck", "receipts")
@pytest.mark.fault("stuck", "weights")
@in_every_place
async def test_an_actor_that_waits_for_ever_is_named_with_what_it_was_doing(place: Place) -> None:
    world = a_world()
    async with place.reached(world):
        found = {(s.actor, s.doing): s for s in world.steps.running()}
        assert found[place.actor, place.doing].within_s == place.within_s
        world.steps.tick(place.within_s)
        assert not world.steps.overdue()
        world.steps.tick(1)
        assert {s.actor for s in world.steps.overdue()} == {place.actor}


@pytest.mark.fault("worker", "slow")
@pytest.mark.fault("stuck", "evaluation")
def test_an_evaluation_that_takes_weeks_is_never_late_as_long_as_blocks_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, wait = a_world(), FakeScorer._wait
    late: list[Step] = []

    async def slowly(scorer: FakeScorer, job: ScoringJob, position: int) -> None:
        world.steps.tick(job.timeout_s + BUSY_S)
        late.extend(world.steps.overdue())
        await wait(scorer, job, position)

    monkeypatch.setattr(FakeScorer, "_wait", slowly)
    assert world.run().rounds == a_world().run().rounds
    assert world.scorer.scored
    assert late == []


async def outcome(world: World) -> object:
    """What two rounds come to, whatever disturbed them."""
    state = await world.live(rounds=2, until=4_000)
    store = world.disk or world.store
    receipts = [await store.receipts(r.key) for r in state.rounds[ONE]]
    await store.close()
    return state.rounds, receipts, world.chain.submitted


@pytest.fixture(scope="module")
def undisturbed() -> object:
    return asyncio.run(outcome(a_world()))


@pytest.mark.fault("SIGTERM", "following")
@pytest.mark.fault("SIGTERM", "freeze")
@pytest.mark.fault("SIGTERM", "fetch")
@pytest.mark.fault("SIGTERM", "opening")
@pytest.mark.fault("SIGTERM", "evaluation")
@pytest.mark.fault("SIGTERM", "receipts")
@pytest.mark.fault("SIGTERM", "weights")
@in_every_place
async def test_a_stop_in_any_phase_ends_it_and_the_same_command_goes_on(
    place: Place, undisturbed: object
) -> None:
    world = a_world()
    async with place.reached(world) as running:
        world.stop.set()
        await running
    assert world.steps.running() == ()
    assert await outcome(world) == undisturbed
    assert len(world.scorer.scored) == len(set(world.scorer.scored))


class FullDisk(sqlite3.Connection):
    """From the first change of a table on, the disk takes nothing, for so many tries."""

    table = ""
    num_refusals = 0
    _is_full = False

    def watch(self, table: str, num_refusals: int) -> None:
        self.table, self.num_refusals = table, num_refusals
        self.set_trace_callback(self._note)

    def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
        if sql == "COMMIT" and self._is_full and self.num_refusals:
            self.num_refusals -= 1
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return super().execute(sql, parameters)  # type: ignore[arg-type]

    def _note(self, sql: str) -> None:
        if re.match(rf"(INSERT INTO|UPDATE) {self.table}\b", sql):
            self._is_full = True


@pytest.mark.fault("disk full", "following")
@pytest.mark.fault("disk full", "freeze")
@pytest.mark.fault("disk full", "fetch")
@pytest.mark.fault("disk full", "opening")
@pytest.mark.fault("disk full", "evaluation")
@pytest.mark.fault("disk full", "receipts")
@pytest.mark.fault("disk full", "weights")
@pytest.mark.fault("state disk", "flapping")
@pytest.mark.parametrize(
    "table", ["submission", "pool", "draw", "environment", "journal", "receipt", "weights"]
)
async def test_a_disk_that_is_full_for_an_hour_is_waited_for_and_changes_nothing(
    table: str, tmp_path: Path, undisturbed: object
) -> None:
    def full(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, factory=FullDisk
        )
        connection.watch(table, num_refusals=64)
        return connection

    path = tmp_path / "state.sqlite"
    world = a_world(SqliteStateStore(path, connect=full))
    assert await outcome(world) == undisturbed
    assert len(world.scorer.scored) == len(set(world.scorer.scored))
    told = [e for e in world.sink.of(Degraded) if e.what == "state"]
    assert len(told) == 64
    assert {e.error for e in told} == {f"{path}: database or disk is full"}
    assert sum(e.retry_in_s for e in told) > 3_000
    assert world.sink.of(Recovered) == [Recovered(what="state")]
    assert maintenance.verify(path).newest_round == 1_440
