"""Signers of a round's samples, so that losses can be grouped by signer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from sn37.domain.canonical import JsonValue
from sn37.domain.data.batches import TaskBatch, interleave
from sn37.domain.ids import Block, Hotkey, TaskName
from sn37.domain.schedule.competition import Competition

# By task, in the order of its manifest; None for an unsigned sample.
SampleSigners: TypeAlias = Mapping[TaskName, tuple[Hotkey | None, ...]]


class Origin(NamedTuple):
    """Task and signer of one sample; an unsigned sample has no signer."""

    task: TaskName
    signer: Hotkey | None


# The origins of each round's samples, in the order of scoring. Some rounds may be missing: states
# of older versions did not record them.
Origins: TypeAlias = Mapping[Block, tuple[Origin, ...]]

NOWHERE = Origin(TaskName(""), None)


def signers_of(batches: Iterable[TaskBatch]) -> SampleSigners:
    """Return the signers of a round's samples."""
    return {b.task: tuple(s.provenance.signer for s in b.samples) for b in batches}


def in_scoring_order(signers: SampleSigners, competition: Competition) -> tuple[Hotkey | None, ...]:
    """Return the signers of a round's samples, one for each value of ``evidence.weigh``.

    An entry that was stopped early has a prefix of these values.

    Raises:
        ValueError: A task has another number of samples than the competition draws.
    """
    tasks = tuple((t.name, t.num_samples) for t in competition.tasks)
    require_counts(signers, dict(tasks))
    return tuple(signer for b in interleave(tasks) for signer in signers[b.task][b.first : b.stop])


def origins_of(signers: SampleSigners | None, competition: Competition) -> tuple[Origin, ...]:
    """Return the origin of each sample of a round, in the order of scoring.

    ``None`` means that the round's signers were not recorded: its samples count as unsigned.
    """
    found = []
    for block in interleave(tuple((t.name, t.num_samples) for t in competition.tasks)):
        rows = (signers or {}).get(block.task, ())[block.first : block.stop]
        missing = block.stop - block.first - len(rows)
        found += [Origin(block.task, signer) for signer in (*rows, *(None,) * missing)]
    return tuple(found)


def require_counts(signers: SampleSigners, counts: Mapping[TaskName, int]) -> None:
    """Check that each task has a signer, or ``None``, for each of its samples.

    Raises:
        ValueError: Names the first task with another number of samples, or the wrong tasks.
    """
    if set(signers) != set(counts):
        raise ValueError(
            f"signers of the tasks {', '.join(sorted(signers)) or 'none'}, "
            f"not of {', '.join(sorted(counts)) or 'none'}"
        )
    for task, count in counts.items():
        if len(signers[task]) != count:
            raise ValueError(f"task {task}: signers of {len(signers[task])} samples, not {count}")


def packed(signers: SampleSigners) -> dict[str, JsonValue]:
    """Return JSON with each hotkey once; ``samples`` has indices into ``hotkeys``, or null."""
    hotkeys = sorted({h for row in signers.values() for h in row if h is not None})
    place = {hotkey: number for number, hotkey in enumerate(hotkeys)}
    return {
        "hotkeys": list(hotkeys),
        "samples": {
            task: [None if h is None else place[h] for h in row] for task, row in signers.items()
        },
    }


def unpacked(hotkeys: Iterable[str], samples: Mapping[str, Iterable[int | None]]) -> SampleSigners:
    """Return the signers from the output of ``packed``.

    Raises:
        ValueError: ``packed`` does not write such a value: a hotkey is repeated, unsorted or
            unused, or an index is out of range.
    """
    known = [Hotkey(h) for h in hotkeys]
    rows = {TaskName(task): tuple(places) for task, places in samples.items()}
    used = {place for row in rows.values() for place in row if place is not None}
    if known != sorted(set(known)) or used != set(range(len(known))):
        raise ValueError("signers that are repeated, out of order, unused or missing")
    return {
        task: tuple(None if place is None else known[place] for place in row)
        for task, row in rows.items()
    }
