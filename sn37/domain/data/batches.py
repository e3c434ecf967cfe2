"""Samples of a round by task, and the blocks in which they are scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sn37.domain.data.samples import Sample
from sn37.domain.ids import TaskName
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.mixture import whole_of

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
    progress the one named first is next. The parts of a mixture are cut together: each 16 samples
    of the mixture are one block of every part that is due.
    """
    wholes: dict[TaskName, list[tuple[TaskName, int]]] = {}
    for name, size in tasks:
        wholes.setdefault(whole_of(name), []).append((name, size))
    turns = [
        (turn * BLOCK_SAMPLES / sum(size for _, size in parts), position, blocks)
        for position, parts in enumerate(wholes.values())
        for turn, blocks in enumerate(_turns(tuple(parts)))
    ]
    ordered = sorted(turns, key=lambda t: (t[0], t[1]))
    return tuple(block for _, _, blocks in ordered for block in blocks)


@lru_cache(maxsize=128)
def _turns(parts: tuple[tuple[TaskName, int], ...]) -> tuple[tuple[SampleBlock, ...], ...]:
    """Return the blocks of each 16 samples of a mixture, or of a task that is its only part."""
    order = list(_mixed([size for _, size in parts]))
    done = [0] * len(parts)
    turns = []
    for first in range(0, len(order), BLOCK_SAMPLES):
        num_of = Counter(order[first : first + BLOCK_SAMPLES])
        turns.append(
            tuple(SampleBlock(parts[n][0], done[n], done[n] + num_of[n]) for n in sorted(num_of))
        )
        for n in num_of:
            done[n] += num_of[n]
    return tuple(turns)


def _mixed(sizes: Sequence[int]) -> Iterator[int]:
    """Yield the number of a part for each sample, such that each prefix represents the mixture.

    Every part has its share of every prefix, up to less than one sample. Sample j of a part may be
    next when the part's share of the prefix exceeds j, and must be there when the share reaches
    j + 1; the one that must be there first is next. Such an order exists for all sizes, and this
    one is found (Tijdeman, The chairman assignment problem, 1980).
    """
    total = sum(sizes)
    done = [0] * len(sizes)
    for length in range(1, total + 1):
        due = (n for n, size in enumerate(sizes) if done[n] * total < length * size)
        n = min(due, key=lambda n: -(-(done[n] + 1) * total // sizes[n]))
        done[n] += 1
        yield n
