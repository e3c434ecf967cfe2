"""How long a worker may compute, with a clock that jumps and a gauge that the test reads for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from sn37.adapters.scoring.blame import out_of_time
from sn37.adapters.scoring.deadline import BEAT_S, Deadline, How, Overrun
from sn37.adapters.scoring.reference import SLOWEST, Cost, Pace, Reference
from sn37.adapters.scoring.usage import Reading
from sn37.domain.reasons import Reason
from sn37.domain.scoring.deadlines import STILL_FACTOR, WALL_FACTOR, Deadlines, Stage
from sn37.ports.errors import ModelRejected, ScorerUnavailable
from sn37.testing.fakes import FakeClock

STEP_S = BEAT_S / 4
LIMITS = Deadlines(
    preparing_s=30.0, loading_s=50.0, checking_s=20.0, blocks_s=(40.0, 40.0, 40.0), total_s=150.0
)


@dataclass(slots=True)
class Machine:
    """A worker that uses a share of the processor, waits for it a share, and stands still else."""

    runs: float = 1.0
    waits: float = 0.0
    has_gpu: bool = False
    clock: FakeClock = field(default_factory=FakeClock)
    _read_at: float = 0.0

    async def read(self) -> Reading:
        passed, self._read_at = self.clock.elapsed - self._read_at, self.clock.elapsed
        return Reading(
            ran_s=passed * self.runs,
            runnable_s=passed * (self.runs + self.waits),
            owns_device=self.has_gpu,
        )

    async def lasts(self, seconds: float) -> None:
        """Time passes a little at a time, so that others see it pass."""
        end = self.clock.elapsed + seconds
        while self.clock.elapsed < end:
            await self.clock.sleep(min(STEP_S, end - self.clock.elapsed))

    def deadline(self, limits: Deadlines = LIMITS) -> Deadline:
        return Deadline(limits, self, now=self.clock.monotonic, sleep=self.clock.sleep)


def overrun(machine: Machine, live: Callable[[Deadline], object] | None = None) -> Overrun:
    """How a worker that says nothing more is ended."""

    async def run() -> None:
        deadline = machine.deadline()
        if live is not None:
            live(deadline)
        await deadline.run(machine.lasts(1e5))

    with pytest.raises(Overrun) as caught:
        asyncio.run(run())
    return caught.value


def test_t59_a_template_that_loops_is_ended_by_the_first_stage() -> None:
    machine = Machine()
    assert overrun(machine).how is How.COMPUTED
    assert machine.clock.elapsed == pytest.approx(LIMITS.preparing_s, abs=2 * BEAT_S)


@pytest.mark.parametrize("stage", [Stage.LOADING, Stage.CHECKING, Stage.SCORING])
def test_t59_each_stage_has_its_own_time(stage: Stage) -> None:
    machine = Machine()
    found = overrun(machine, lambda deadline: deadline.enter(stage))
    assert (found.how, str(stage) in str(found)) == (How.COMPUTED, True)
    assert machine.clock.elapsed == pytest.approx(LIMITS.of(stage, 0), abs=2 * BEAT_S)


def test_a_worker_that_uses_its_time_in_every_stage_has_the_jobs_time_in_all() -> None:
    machine = Machine()

    async def run() -> None:
        deadline = machine.deadline()
        for stage in Stage:
            deadline.enter(stage)
            await deadline.run(machine.lasts(LIMITS.of(stage, 0) - 1))
        for _ in LIMITS.blocks_s:
            deadline.block_done()
            await deadline.run(machine.lasts(38.0))

    with pytest.raises(Overrun) as caught:
        asyncio.run(run())
    assert caught.value.how is How.COMPUTED
    assert machine.clock.elapsed == pytest.approx(LIMITS.total_s, abs=2 * BEAT_S)


def test_a_starved_worker_is_given_the_processors_time_that_it_may_use() -> None:
    machine = Machine(runs=0.25, waits=0.75)
    assert overrun(machine).how is How.COMPUTED
    assert machine.clock.elapsed == pytest.approx(4 * LIMITS.preparing_s, abs=8 * BEAT_S)


def test_a_worker_that_hardly_gets_a_processor_is_ended_by_the_clock() -> None:
    machine = Machine(runs=0.01, waits=0.99)
    assert overrun(machine).how is How.STARVED
    assert machine.clock.elapsed == pytest.approx(WALL_FACTOR * 30.0, abs=2 * BEAT_S)


@pytest.mark.parametrize("runs", [0.0, 0.1])
def test_t59_a_worker_that_stands_still_is_ended_too(runs: float) -> None:
    machine = Machine(runs=runs)
    assert overrun(machine).how is How.STOOD_STILL
    assert machine.clock.elapsed <= STILL_FACTOR * 30.0 / (1 - runs) + 2 * BEAT_S


def test_a_gpus_time_is_the_clocks_once_the_model_is_loaded() -> None:
    loading, scoring = Machine(runs=0.05, has_gpu=True), Machine(runs=0.05, has_gpu=True)
    slow = overrun(loading, lambda deadline: deadline.enter(Stage.LOADING))
    assert (slow.how, slow.by_device) == (How.STOOD_STILL, False)
    found = overrun(scoring, lambda deadline: deadline.enter(Stage.SCORING))
    assert (found.how, found.by_device) == (How.COMPUTED, True)
    assert scoring.clock.elapsed == pytest.approx(40.0, abs=2 * BEAT_S)


def test_a_gpu_that_others_use_gives_a_worker_no_time() -> None:
    machine = Machine(runs=0.05, has_gpu=False)
    found = overrun(machine, lambda deadline: deadline.enter(Stage.SCORING))
    assert found.how is How.STOOD_STILL


def test_a_machine_that_slept_has_nobody_late() -> None:
    """SIGSTOP of everything, or a laptop's lid: the clock jumps, and nobody ran."""
    machine = Machine(runs=0.0)

    async def run() -> float:
        deadline = machine.deadline()

        async def answer() -> str:
            await machine.clock.sleep(1.0)
            machine.clock.elapsed += 5_000.0
            await machine.clock.sleep(1.0)
            return "a loss"

        assert await deadline.run(answer()) == "a loss"
        return deadline.stop()

    assert asyncio.run(run()) > 5_000.0  # operators see it all the same


def test_the_time_of_a_caller_that_holds_a_block_is_nobodys() -> None:
    machine = Machine()

    async def run() -> None:
        deadline = machine.deadline()
        deadline.enter(Stage.SCORING)
        for _ in range(2):
            await deadline.run(machine.lasts(10.0))
            deadline.block_done()
            deadline.stop()
            machine.clock.elapsed += 10_000.0
            deadline.go()
        await deadline.run(machine.lasts(30.0))

    asyncio.run(run())


def test_many_short_blocks_are_counted_although_each_ends_before_it_is_looked_at() -> None:
    machine = Machine()
    limits = Deadlines(
        preparing_s=30.0, loading_s=30.0, checking_s=30.0, blocks_s=(30.0,) * 2_000, total_s=100.0
    )

    async def run() -> None:
        deadline = machine.deadline(limits)
        for _ in limits.blocks_s:
            await deadline.run(machine.lasts(0.11))
            deadline.stop()
            deadline.go()
            deadline.block_done()

    with pytest.raises(Overrun):
        asyncio.run(run())
    assert machine.clock.elapsed == pytest.approx(100.0, abs=1.0)


def test_an_error_of_the_step_is_the_steps() -> None:
    async def lose() -> None:
        raise ConnectionError("gone")

    async def run() -> None:
        await Machine().deadline().run(lose())

    with pytest.raises(ConnectionError, match="gone"):
        asyncio.run(run())


# whose fault it is

KEPT, SLOW_CLOCK, SLOW_PROCESSOR = Pace(1.1, 1.1), Pace(4.0, 1.2), Pace(4.0, 4.0)


def verdict(how: How, pace: Pace, *, by_device: bool = False) -> ModelRejected | ScorerUnavailable:
    return out_of_time(Overrun(how, stage=Stage.SCORING, limit_s=40.0, by_device=by_device), pace)


@pytest.mark.parametrize("pace", [KEPT, SLOW_CLOCK])
def test_a_processors_time_used_up_is_the_models_whatever_else_runs(pace: Pace) -> None:
    found = verdict(How.COMPUTED, pace)
    assert isinstance(found, ModelRejected)
    assert found.reason is Reason.TIMEOUT


@pytest.mark.parametrize(
    ("how", "pace", "by_device"),
    [
        (How.COMPUTED, SLOW_PROCESSOR, False),
        (How.COMPUTED, SLOW_CLOCK, True),
        (How.STOOD_STILL, SLOW_CLOCK, False),
        (How.STARVED, KEPT, False),
        (How.STARVED, SLOW_PROCESSOR, False),
    ],
)
def test_what_a_slow_machine_does_is_ours(how: How, pace: Pace, by_device: bool) -> None:
    found = verdict(how, pace, by_device=by_device)
    assert isinstance(found, ScorerUnavailable)
    assert found.reason is Reason.DEVICE
    assert f"{pace.wall:.1f} s" in str(found)


def test_a_worker_that_stands_still_on_a_machine_that_does_not_is_told_apart() -> None:
    found = verdict(How.STOOD_STILL, KEPT)
    assert isinstance(found, ScorerUnavailable)
    assert found.reason is Reason.STALLED


# the reference


def runs_of(*costs: tuple[float, float]) -> Callable[[], Cost]:
    left = [Cost(*c) for c in costs]
    return lambda: left.pop(0) if len(left) > 1 else left[0]


async def test_the_references_cost_is_that_of_its_best_run() -> None:
    reference = Reference(runs_of((0.2, 0.1), (0.05, 0.05), (0.3, 0.05), *[(0.1, 0.05)] * 9))
    await reference.learn()
    await reference.learn()  # once is enough
    pace = await reference.pace()
    assert pace.wall == pytest.approx(2.0)
    assert pace.processor == pytest.approx(1.0)
    assert (pace.keeps_time, pace.keeps_work) == (True, True)


async def test_a_machine_that_was_slow_when_it_started_is_believed_to_be_faster_later() -> None:
    reference = Reference(runs_of(*[(0.5, 0.5)] * 5, *[(0.05, 0.05)] * 5, (0.5, 0.05)))
    await reference.learn()
    assert (await reference.pace()).wall == pytest.approx(1.0)
    found = await reference.pace()
    assert found.wall > SLOWEST
    assert (found.keeps_time, found.keeps_work) == (False, True)


async def test_the_real_reference_costs_some_of_a_processors_time() -> None:
    reference = Reference()
    pace = await reference.pace()
    assert pace.wall >= 1.0
    assert pace.processor >= 1.0
