"""Outages of any length and kind: what goes on meanwhile, and that no restart is needed."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from sn37.app.actors.submitter import NOBODY_IS_PAID
from sn37.app.supervision.health import HealthBoard
from sn37.app.supervision.supervisor import PAUSES_S
from sn37.domain.data.samples import Pool, PoolRequest
from sn37.domain.events import Cautioned, Degraded, Event, Recovered, RoundSatOut
from sn37.domain.ids import BLOCK_SECONDS, Block
from sn37.domain.reasons import Reason
from sn37.domain.round.state import RoundResult, ValidatorState
from sn37.domain.schedule.competition import Freshness
from sn37.domain.schedule.schedule import WINDOW_ROUNDS
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import ChainUnavailable, DatasetUnavailable, StoreUnavailable
from sn37.testing.builders import (
    CHAIN_START,
    a_competition,
    a_sample,
    a_schedule,
    a_source,
    a_stage,
    a_task,
    a_timing,
)
from sn37.testing.fakes import (
    FakeChain,
    FakeClock,
    FakeLiveDataset,
    FakeModelStore,
    RecordingSink,
)
from tests.support.auditing import audit
from tests.support.fake_world import ONE, World, rows

HOUR_S = 3600
ROW_EVERY_S = 10


def _never() -> bool:
    return False


@dataclass(slots=True)
class EndlessFeed(FakeLiveDataset):
    """A row every ten seconds, as long as the chain lives; none while ``is_down``.

    One that ``lies`` has a row from before the window too.
    """

    is_down: Callable[[], bool] = _never
    lies: Callable[[], bool] = _never

    async def collect(self, request: PoolRequest) -> Pool:
        if self.is_down():
            raise DatasetUnavailable("the feed answers 503")
        if self.lies():
            return Pool((a_sample(produced_at=request.window.since - timedelta(seconds=1)),))
        since, until = (
            int((t - CHAIN_START).total_seconds()) // ROW_EVERY_S
            for t in (request.window.since, request.window.until)
        )
        moments = (
            (n, CHAIN_START + timedelta(seconds=ROW_EVERY_S * n)) for n in range(since, until)
        )
        samples = tuple(a_sample(f"row-{n:08}", produced_at=at) for n, at in moments)
        return Pool(samples).within(request.window)


@dataclass(slots=True)
class MortalChain(FakeChain):
    """Answers nothing for a time from a block on; blocks go on meanwhile.

    With ``flaps`` every call fails with this probability.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    dies_at: float = math.inf  # block
    for_s: float = 0.0
    flaps: float = 0.0
    chance: random.Random = field(default_factory=random.Random)
    until: float | None = None

    def advance(self, num_blocks: int = 1) -> None:
        """Seconds go by with blocks, also for whoever waits for something else."""
        self.clock.elapsed += float(num_blocks * BLOCK_SECONDS)
        FakeChain.advance(self, num_blocks)

    def _maybe_fail(self) -> None:
        if self.chance.random() < self.flaps:
            raise ChainUnavailable("connection reset")
        if self.number < self.dies_at:
            return
        if self.until is None:
            self.until = self.clock.elapsed + self.for_s
        if self.clock.elapsed < self.until:
            raise ChainUnavailable("no endpoint answers")
        self.dies_at = math.inf
        FakeChain.advance(self, int(self.for_s / BLOCK_SECONDS))


@dataclass(slots=True)
class UnsteadyHost(FakeModelStore):
    """Serves nothing while ``is_down``."""

    is_down: Callable[[], bool] = _never

    def _maybe_fail(self) -> None:
        if self.is_down():
            raise StoreUnavailable("the hub answers 503")


@dataclass(slots=True)
class WatchedSink(RecordingSink):
    """Remembers since when an outage was shown, each time that one was told."""

    board: HealthBoard = field(default_factory=lambda: HealthBoard(clock=FakeClock()))
    since: list[tuple[str, datetime]] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        RecordingSink.emit(self, event)
        self.board.emit(event)
        if isinstance(event, Degraded):
            self.since.append((event.what, self.board.outages()[event.what].since))

    def shown(self, what: str) -> set[datetime]:
        return {since for about, since in self.since if about == what}


@dataclass(slots=True)
class Surroundings(World):
    """A world whose every part can fail."""

    chain: MortalChain = field(default_factory=lambda: MortalChain(number=Block(900)))
    models: UnsteadyHost = field(default_factory=UnsteadyHost)
    dataset: EndlessFeed = field(default_factory=EndlessFeed)
    sink: WatchedSink = field(default_factory=WatchedSink)


def a_world() -> Surroundings:
    world = Surroundings()
    world.chain.clock = world.clock
    world.sink.board = HealthBoard(clock=world.clock)
    world.miner("first", 1.0, block=100)
    world.miner("better", 0.9, block=110)
    return world


def scored(state: ValidatorState) -> list[RoundResult]:
    return [r for r in state.rounds[ONE] if r.skipped is None]


def sent(state: ValidatorState) -> list[int]:
    """The sync blocks whose weights are on chain."""
    return [w.sync_block for w in state.weights if w.extrinsic is not None]


@pytest.mark.fault("chain", "down")
@pytest.mark.parametrize("for_s", [20, HOUR_S, 10 * 24 * HOUR_S])
@pytest.mark.parametrize("dies_at", [1_031, 1_080, 1_082, 1_100])
def test_a_chain_that_is_away_for_any_time_is_taken_up_again_without_a_restart(
    dies_at: int, for_s: int
) -> None:
    world = a_world()
    world.chain.dies_at, world.chain.for_s = dies_at, for_s
    state = world.run(rounds=3, until=500_000)
    assert [r.winner for r in scored(state)] == ["better"] * 3
    assert set(sent(state)) >= {r.key.sync_block for r in scored(state)[1:]}
    assert len(world.sink.shown("chain")) == 1, "one outage, since its first moment"
    assert Recovered(what="chain") in world.sink.events
    assert world.sink.board.outages() == {}
    tries = [e.retry_in_s for e in world.sink.of(Degraded) if e.what == "chain"]
    assert (tries[0], max(tries)) == (PAUSES_S.first, min(PAUSES_S.longest, max(tries)))
    assert len(tries) <= 10 + for_s / PAUSES_S.longest


@pytest.mark.fault("chain", "flapping")
@pytest.mark.parametrize("seed", range(3))
def test_a_chain_of_which_every_tenth_call_fails_changes_no_result(seed: int) -> None:
    calm, world = a_world(), a_world()
    world.chain.flaps, world.chain.chance = 0.1, random.Random(seed)
    assert world.run(rounds=3).rounds == calm.run(rounds=3).rounds
    assert world.chain.submitted == calm.chain.submitted
    assert world.sink.of(Degraded)


@pytest.mark.fault("model hub", "down")
def test_without_a_hub_rounds_go_on_with_the_models_that_are_here() -> None:
    world = a_world()
    world.miner("late", 0.8, block=1_010)
    world.models.is_down = lambda: 1_000 <= world.chain.number < 2_000
    state = world.run(rounds=4)
    found = [(r.key.sync_block, r.winner, rows(r)["late"]) for r in state.rounds[ONE]]
    assert found == [
        (1_080, "better", (Verdict.WAITING, Reason.TOO_EARLY)),
        (1_440, "better", (Verdict.FAILED, Reason.HUB_UNAVAILABLE)),
        (1_800, "better", (Verdict.FAILED, Reason.HUB_UNAVAILABLE)),
        (2_160, "late", (Verdict.SCORED, None)),
    ]
    assert {(s.failures, s.missed_rounds) for s in state.submissions.values()} == {(0, 0)}
    assert sent(state) == [1_080, 1_440, 1_800, 2_160]
    assert world.sink.shown("model host")
    assert world.sink.board.outages() == {}


@pytest.mark.fault("model hub", "flapping")
@pytest.mark.parametrize("seed", range(3))
def test_a_hub_of_which_every_second_call_fails_changes_no_result(seed: int) -> None:
    calm, world, chance = a_world(), a_world(), random.Random(seed)
    world.models.is_down = lambda: chance.random() < 0.5
    expected = calm.run(rounds=3).rounds[ONE]
    assert [scores(r) for r in world.run(rounds=3).rounds[ONE]] == [scores(r) for r in expected]
    assert world.chain.submitted == calm.chain.submitted


def scores(result: RoundResult) -> object:
    return result.key, result.champion, {e.key: (e.score, e.verdict) for e in result.entries}


@pytest.mark.fault("data plug-in", "down")
@pytest.mark.parametrize("num_rounds", [1, 25])
def test_without_data_rounds_are_sat_out_and_the_last_good_weights_are_set_again(
    num_rounds: int,
) -> None:
    world = a_world()
    cadence = 80
    world.schedule = replace(world.schedule, timing=a_timing(cadence=cadence, files_grace=20))
    back = 1_050 + cadence * num_rounds
    world.dataset.is_down = lambda: 1_050 <= world.chain.number < back
    state = world.run(rounds=3, until=20_000)
    skipped = [r.skipped for r in state.rounds[ONE]]
    assert skipped == [None, None, *[Reason.DATA_UNAVAILABLE] * num_rounds, None]
    away = [1_040 + cadence * n for n in range(num_rounds + 1)]
    recorded = asyncio.run(world.store.load())  # all rows; in memory are the newest
    assert sent(recorded) == [960, *away, 1_040 + cadence * (num_rounds + 1)]
    assert {tuple(w.shares.items()) for w in world.chain.submitted} == {(("better", 1.0),)}
    nobody_is_paid = [e for e in world.sink.of(Cautioned) if e.advice == NOBODY_IS_PAID]
    assert len(nobody_is_paid) == (num_rounds >= WINDOW_ROUNDS)
    assert audit(world.store.memory, schedule=world.schedule).differences == ()
    assert len(world.sink.shown("data source")) == 1
    assert len(world.sink.of(RoundSatOut)) == num_rounds
    assert world.sink.board.outages() == {}


@pytest.mark.fault("data plug-in", "wrong")
@pytest.mark.fault("data plug-in", "down")
@pytest.mark.parametrize("fault", ["down", "outside of the window"])
def test_one_bad_source_of_two_makes_the_round_wait_and_never_changes_the_mix(fault: str) -> None:
    world = a_world()
    live = a_source(freshness=Freshness.LIVE, max_age_s=4_320)
    tasks = tuple(a_task(n, source=live, num_samples=160, weight=0.5) for n in ("first", "second"))
    world.schedule = a_schedule(a_stage(a_competition(tasks=tasks, delay_blocks=360)))
    calls = itertools.count()

    def every_second_until_1400() -> bool:
        return world.chain.number < 1_400 and next(calls) % 2 == 1

    if fault == "down":
        world.dataset.is_down = every_second_until_1400
    else:
        world.dataset.lies = every_second_until_1400
    state = world.run(rounds=1)
    assert [r.skipped for r in state.rounds[ONE]] == [Reason.DATA_UNAVAILABLE, None]
    (plan,) = world.store.memory.plans.values()
    assert [len(d.batch.samples) for d in plan.draws] == [160, 160]


@dataclass(slots=True)
class WrongClock(FakeClock):
    """Its wall clock is somewhere else at every look; its seconds pass as they should."""

    years: float = 0.0
    turns: int = 0

    def now(self) -> datetime:
        self.turns += 1
        jump = timedelta(days=365 * self.years * (self.turns % 2))
        return CHAIN_START + timedelta(seconds=self.elapsed) + jump


@pytest.mark.fault("wall clock", "jumps forward")
@pytest.mark.fault("wall clock", "jumps back")
@pytest.mark.parametrize("years", [20.0, -20.0])
def test_a_clock_that_jumps_by_years_changes_nothing_and_ends_nothing(years: float) -> None:
    calm, world = a_world(), a_world()
    world.clock = WrongClock(years=years)
    world.sink.board = HealthBoard(clock=world.clock)
    world.chain.clock, world.chain.dies_at, world.chain.for_s = world.clock, 1_100, 600
    calm.chain.dies_at, calm.chain.for_s = 1_100, 600
    assert world.run(rounds=3).rounds == calm.run(rounds=3).rounds
    assert world.chain.submitted == calm.chain.submitted
    assert world.sink.board.outages() == {}
    assert world.sink.board.not_ready() == ""
    retries = [[e.retry_in_s for e in w.sink.of(Degraded)] for w in (calm, world)]
    assert retries[0] == retries[1]
