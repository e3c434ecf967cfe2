"""Cutting the samples of a round into blocks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.data.batches import BLOCK_SAMPLES, SampleBlock, interleave
from sn37.domain.ids import TaskName
from sn37.domain.scoring.jobs import BlockLosses
from sn37.testing.builders import a_batch, a_job, some_samples

SIZES = st.lists(st.integers(1, 100), max_size=5).map(
    lambda sizes: tuple((TaskName(f"task-{n}"), size) for n, size in enumerate(sizes))
)


@given(SIZES)
@settings(max_examples=40)
def test_every_sample_is_in_exactly_one_block_in_order(
    tasks: tuple[tuple[TaskName, int], ...],
) -> None:
    blocks = interleave(tasks)
    for name, size in tasks:
        mine = [b for b in blocks if b.task == name]
        assert [n for b in mine for n in range(b.first, b.stop)] == list(range(size))
        assert all(0 < b.stop - b.first <= BLOCK_SAMPLES for b in mine)


@given(SIZES)
@settings(max_examples=40)
def test_every_task_progresses_at_the_same_pace(tasks: tuple[tuple[TaskName, int], ...]) -> None:
    sizes = dict(tasks)
    starts = [b.first / sizes[b.task] for b in interleave(tasks)]
    assert starts == sorted(starts)


def test_equal_progress_goes_to_the_task_named_first() -> None:
    one, two = TaskName("zulu"), TaskName("alpha")
    assert interleave(((one, 20), (two, 20))) == (
        SampleBlock(one, 0, 16),
        SampleBlock(two, 0, 16),
        SampleBlock(one, 16, 20),
        SampleBlock(two, 16, 20),
    )


def test_a_job_cuts_its_batches_whatever_is_skipped() -> None:
    batches = (a_batch("one", samples=some_samples(17)), a_batch("two", samples=some_samples(3)))
    expected = interleave(((TaskName("one"), 17), (TaskName("two"), 3)))
    assert a_job(batches=batches).blocks() == expected
    assert a_job(batches=batches, skip_blocks=2).blocks() == expected


def test_a_block_has_one_loss_per_sample() -> None:
    block = SampleBlock(TaskName("text"), 14, 16)
    assert BlockLosses(block=block, losses=(1.0, 2.0), tokens=9, seconds=0.1).block == block
    with pytest.raises(ValueError, match="3 losses for"):
        BlockLosses(block=block, losses=(1.0, 2.0, 3.0), tokens=9, seconds=0.1)


@pytest.mark.parametrize("num", [-1, 3])
def test_a_block_has_no_more_right_answers_than_questions(num: int) -> None:
    block = SampleBlock(TaskName("text"), 14, 16)
    with pytest.raises(ValueError, match=f"{num} right answers in"):
        BlockLosses(block=block, losses=(1.0, 2.0), tokens=9, seconds=0.1, num_right=num)
    for right in (None, 0, 2):
        held = BlockLosses(block=block, losses=(1.0, 2.0), tokens=9, seconds=0.1, num_right=right)
        assert held.num_right == right
