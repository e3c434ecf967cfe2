"""Losses too good to be a model's: an entry that has them never holds a crown.

A champion whose losses are zero could not be beaten by any relative margin.
"""

from __future__ import annotations

from collections.abc import Sequence

from sn37.domain.round.evidence import task_scores
from sn37.domain.schedule.competition import Competition
from sn37.domain.scoring.controls import has_controls
from sn37.domain.scoring.jobs import BlockLosses


def implausibility(blocks: Sequence[BlockLosses], competition: Competition) -> str:
    """Which task's mean loss lies below the competition's floor; empty if none does.

    Multiple choice and instructions have no floor: their losses may be 0.
    """
    methods = {task.name: task.method for task in competition.tasks}
    for score in task_scores(blocks, competition):
        if has_controls(methods[score.task]) and score.raw < competition.floor:
            return (
                f"task {score.task}: mean loss {score.raw:.4g}, below the floor of "
                f"{competition.floor:g}"
            )
    return ""
