"""How far validators agree on the samples of a round. Measured, never enforced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sn37.domain.ids import Digest, TaskName

Manifests = Mapping[TaskName, tuple[tuple[str, Digest], ...]]  # (row id, content hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """The samples of one task that two validators scored on."""

    task: TaskName
    num_ours: int
    num_theirs: int
    num_shared: int  # same row, same content; an edited row is another row

    @property
    def share(self) -> float:
        """Of the larger draw; 1 when both drew nothing."""
        largest = max(self.num_ours, self.num_theirs)
        return self.num_shared / largest if largest else 1.0


def overlaps(ours: Manifests, theirs: Manifests) -> tuple[Overlap, ...]:
    """Task by task, also those that only one of them has."""
    found = []
    for task in sorted({*ours, *theirs}):
        mine, yours = set(ours.get(task, ())), set(theirs.get(task, ()))
        found.append(
            Overlap(
                task=task,
                num_ours=len(mine),
                num_theirs=len(yours),
                num_shared=len(mine & yours),
            )
        )
    return tuple(found)
