"""The samples of a round, by task, and the blocks in which they are scored."""

from __future__ import annotations

from dataclasses import dataclass

from sn37.domain.data.samples import Sample
from sn37.domain.ids import TaskName
from sn37.domain.schedule.competition import Method

BLOCK_SAMPLES = 16  # samples between two decisions whether to stop a hopeless challenger


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskBatch:
    """One task's samples of a round, in manifest order."""

    task: TaskName
    method: Method
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """Samples ``[first, stop)`` of one task: the unit that is streamed and journalled."""

    task: TaskName
    first: int
    stop: int


def interleave(tasks: tuple[tuple[TaskName, int], ...]) -> tuple[SampleBlock, ...]:
    """Cut tasks of the given sizes into blocks, every task progressing at the same pace.

    A prefix then is a fair picture of the whole, which racing relies on. Equal progress goes
    to the task named first.
    """
    blocks = [
        (first / size, position, SampleBlock(name, first, min(first + BLOCK_SAMPLES, size)))
        for position, (name, size) in enumerate(tasks)
        for first in range(0, size, BLOCK_SAMPLES)
    ]
    return tuple(block for _, _, block in sorted(blocks, key=lambda b: (b[0], b[1])))
