"""Live rounds, signals and kills while a missed round is scored: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sn37.domain.data.samples import Sample
from sn37.domain.events import RoundScoredLater
from sn37.domain.ids import Block
from sn37.domain.submission.models import ModelArtifact
from sn37.testing.fakes import FakeStateStore
from tests.support.auditing import audit
from tests.support.fake_world import World
from tests.support.missed_world import (
    BACK_AT,
    MISSED,
    NUM_ROWS,
    begun,
    calm,
    missed,
    published,
    returning,
    scores,
    without_time,
)
from tests.support.published_rounds import (
    NEW,
    crowns,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return published(tmp_path / "old")


# Rounds come first


def test_a_live_round_comes_first_and_nothing_is_scored_twice(folder: Path) -> None:
    world = begun().subnet.validator(
        NEW, memory=begun().away, begin_with=(folder,), at=BACK_AT, num_rows=NUM_ROWS
    )
    world.stuck_until, world.scorer.gate = 2_560, asyncio.Semaphore(5)
    state = world.run(rounds=5, until=6_000)
    assert scores(missed(state)) == scores(missed(calm().keeper_state))
    result = missed(state)
    assert result is not None
    assert result.later is not None
    assert (result.later.after, result.later.at >= 2_560) == (2_520, True)
    late = [
        job
        for job in world.scorer.jobs
        if job.batches[0].samples == begun().there.plans[MISSED].draws[0].batch.samples
    ]
    live = next(n for n, job in enumerate(world.scorer.jobs) if job not in late)
    before = [job.skip_blocks for job in world.scorer.jobs[:live]]
    assert set(before) == {0, 5}, "it was stopped while rows were read, and went on"
    assert {job.skip_blocks for job in late} == {0, 5}
    scored = [block for _, block in world.scorer.scored]
    num_of_round = sum(len(b) for b in world.store.memory.journal.values()) - sum(
        len(b) for b in begun().away.journal.values()
    )
    assert len(scored) == num_of_round


def test_while_a_round_is_open_nothing_is_recorded_that_its_verdict_could_rest_on(
    folder: Path,
) -> None:
    world = begun().subnet.validator(
        NEW, memory=begun().away, begin_with=(folder,), at=BACK_AT, num_rows=NUM_ROWS
    )
    # All blocks of the missed round but one, and then the next round.
    world.stuck_until, world.scorer.gate = 2_560, asyncio.Semaphore(39)
    world.run(rounds=5, until=6_000)
    assert audit(world.store.memory).differences == ()
    (told,) = (e for e in world.sink.events if isinstance(e, RoundScoredLater))
    assert told.result.later is not None
    assert told.result.later.after == 2_520


# Kills


class _Killed(BaseException):
    pass


def killed_at_block(folder: Path, number: int) -> World:
    """A validator that dies while this block of the missed round is scored, and its next life."""
    world = returning(folder)
    exact, seen = world.scorer.loss, list[int]()

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        seen.append(1)
        if len(seen) == 16 * number + 3:
            raise _Killed
        return exact(artifact, sample)

    world.scorer.loss = loss
    with pytest.raises(BaseException) as killed:  # noqa: PT011
        world.run(rounds=5, until=6_000)
    assert _is_kill(killed.value)
    again = returning(folder, memory=world.store.memory, at=world.chain.number)
    again.late = deepcopy(world.late)
    return again


def _is_kill(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_kill, error.exceptions))
    return isinstance(error, _Killed)


@pytest.mark.parametrize("number", [0, 7, 20, 39])
def test_after_a_kill_it_goes_on_with_the_block_that_was_being_scored(
    number: int, folder: Path
) -> None:
    world = killed_at_block(folder, number)
    assert MISSED not in world.store.memory.results, "no half of it counts"
    world.run(rounds=5, until=6_000)
    assert without_time(missed(world.keeper_state)) == without_time(missed(calm().keeper_state))
    assert crowns(world.keeper_state) == crowns(calm().keeper_state)
    late = [block for _, block in world.scorer.scored[: 40 - number]]
    assert len(late) == 40 - number
    assert world.scorer.jobs[0].skip_blocks == number % 20
    assert audit(world.store.memory).differences == ()


def test_a_signal_ends_it_at_once_and_the_next_start_goes_on(folder: Path) -> None:
    world = returning(folder)
    exact, seen = world.scorer.loss, list[int]()

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        seen.append(1)
        if len(seen) == 16 * 7:
            world.stop.set()
        return exact(artifact, sample)

    world.scorer.loss = loss
    world.run(rounds=5, until=6_000)
    assert MISSED not in world.store.memory.results
    assert len(seen) <= 16 * 8
    again = returning(folder, memory=world.store.memory, at=world.chain.number)
    again.late = deepcopy(world.late)
    again.run(rounds=5, until=6_000)
    assert again.scorer.jobs[0].skip_blocks >= 6
    assert without_time(missed(again.keeper_state)) == without_time(missed(calm().keeper_state))


@dataclass(slots=True)
class _Dying(FakeStateStore):
    """Ends the process before its n-th call is carried out."""

    left: int = 0

    def _check(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise _Killed
        FakeStateStore._check(self)


@pytest.mark.parametrize("calls", range(1, 40, 6))
def test_a_kill_between_any_two_steps_of_the_own_state_loses_and_doubles_nothing(
    calls: int, folder: Path
) -> None:
    world = returning(folder)
    world.chain.number = Block(2_250)
    world.store = _Dying(memory=world.store.memory, left=calls)
    with pytest.raises(BaseException) as killed:  # noqa: PT011
        world.run(rounds=5, until=6_000)
    assert _is_kill(killed.value)
    again = returning(folder, memory=world.store.memory, at=world.chain.number)
    again.late = deepcopy(world.late)
    again.run(rounds=5, until=6_000)
    assert scores(missed(again.keeper_state)) == scores(missed(calm().keeper_state))
    assert len(again.store.memory.receipts[MISSED]) == 2
    assert audit(again.store.memory).differences == ()


@pytest.mark.parametrize("calls", range(1, 50, 7))
def test_a_kill_between_any_two_steps_of_the_state_beside_loses_and_doubles_nothing(
    calls: int, folder: Path
) -> None:
    world = returning(folder)
    left = [calls]

    @asynccontextmanager
    async def dying() -> AsyncIterator[FakeStateStore]:
        store = _Dying(memory=world.late, left=left[0])
        try:
            yield store
        finally:
            left[0] = store.left

    world.open_late = dying
    with pytest.raises(BaseException) as killed:  # noqa: PT011
        world.run(rounds=5, until=6_000)
    assert _is_kill(killed.value)
    again = returning(folder, memory=world.store.memory, at=world.chain.number)
    again.late = deepcopy(world.late)
    again.run(rounds=5, until=6_000)
    assert scores(missed(again.keeper_state)) == scores(missed(calm().keeper_state))
    assert audit(again.store.memory).differences == ()


def test_what_was_begun_and_is_not_missed_any_more_is_dropped(folder: Path) -> None:
    world = killed_at_block(folder, 7)
    done = returning(folder, memory=calm().store.memory, at=calm().chain.number)
    done.late = deepcopy(world.late)
    done.run(rounds=6, until=6_000)
    assert missed(done.keeper_state) == missed(calm().keeper_state)


def test_what_was_begun_under_another_schedule_is_dropped(folder: Path) -> None:
    world = killed_at_block(folder, 7)
    (plan,) = world.late.plans.values()
    (draw,) = plan.draws
    fewer = replace(draw, batch=replace(draw.batch, samples=draw.batch.samples[:100]))
    world.late.plans[plan.key] = replace(plan, draws=(fewer,))
    world.run(rounds=5, until=6_000)
    assert missed(world.keeper_state) is not None
    assert world.scorer.jobs[0].skip_blocks == 0
    assert audit(world.store.memory).differences == ()
