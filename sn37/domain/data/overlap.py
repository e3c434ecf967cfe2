"""Overlap of two validators' samples of a round. Measured, never enforced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sn37.domain.ids import Digest, TaskName

Manifests = Mapping[TaskName, tuple[tuple[str, Digest], ...]]  # (row id, content hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Overlap of the samples of one task that two validators used."""

    task: TaskName
    num_ours: int
    num_theirs: int
    num_shared: int  # same row and same content; an edited row is another row

    @property
    def share(self) -> float:
        """Shared part of the larger draw; 1 when both drew nothing."""
        largest = max(self.num_ours, self.num_theirs)
        return self.num_shared / largest if largest else 1.0


def overlaps(ours: Manifests, theirs: Manifests) -> tuple[Overlap, ...]:
    """Return the overlap of each task, also of tasks that only one validator has."""
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
