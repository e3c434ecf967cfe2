"""Plausibility: an entry with implausibly low losses never holds a crown.

No relative margin could beat a champion whose losses are zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from sn37.domain.round.evidence import task_scores
from sn37.domain.schedule.competition import Competition
from sn37.domain.scoring.jobs import BlockLosses


def implausibility(blocks: Sequence[BlockLosses], competition: Competition) -> str:
    """Return which task's mean loss is below the competition's floor; empty if none is.

    Multiple choice and instructions have no floor: their losses may be 0.
    """
    methods = {task.name: task.method for task in competition.tasks}
    for score in task_scores(blocks, competition):
        if methods[score.task].traits.has_floor and score.raw < competition.floor:
            return (
                f"task {score.task}: mean loss {score.raw:.4g}, below the floor of "
                f"{competition.floor:g}"
            )
    return ""
