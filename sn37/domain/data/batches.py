"""Samples of a round by task, and the blocks in which they are scored."""

from __future__ import annotations

from dataclasses import dataclass

from sn37.domain.data.samples import Sample
from sn37.domain.ids import TaskName
from sn37.domain.schedule.methods import Method

BLOCK_SAMPLES = 16  # after each block the validator decides whether to stop a challenger


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskBatch:
    """One task's samples of a round, in manifest order."""

    task: TaskName
    method: Method
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """Samples ``[first, stop)`` of one task: the unit of streaming and of the journal."""

    task: TaskName
    first: int
    stop: int


def interleave(tasks: tuple[tuple[TaskName, int], ...]) -> tuple[SampleBlock, ...]:
    """Cut tasks of the given sizes into blocks such that all tasks progress at the same rate.

    So every prefix represents the whole, which racing relies on. Among tasks with equal
    progress the one named first is next.
    """
    blocks = [
        (first / size, position, SampleBlock(name, first, min(first + BLOCK_SAMPLES, size)))
        for position, (name, size) in enumerate(tasks)
        for first in range(0, size, BLOCK_SAMPLES)
    ]
    return tuple(block for _, _, block in sorted(blocks, key=lambda b: (b[0], b[1])))
