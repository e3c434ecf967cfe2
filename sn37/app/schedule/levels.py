"""Levels of tasks for a schedule, computed from a validator's record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sn37.domain.ids import Block, CompetitionId, TaskName
from sn37.domain.round.evidence import exact_sum
from sn37.domain.round.state import RoundResult, ValidatorState
from sn37.domain.schedule.competition import Task
from sn37.domain.schedule.mixture import by_whole, have_one_level
from sn37.domain.schedule.schedule import WINDOW_ROUNDS, Schedule

DIGITS = 3  # of a level; a day's rounds do not determine more


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedLevels:
    """The champion's mean losses in the first rounds of a stage."""

    competition: CompetitionId
    name: str
    from_block: Block  # of the stage
    num_rounds: int  # that the means are from
    levels: Mapping[TaskName, float]


def propose_levels(state: ValidatorState, schedule: Schedule) -> tuple[ProposedLevels, ...]:
    """Return levels for the newest stage that has rounds, one for each competition.

    They are means over the first ``WINDOW_ROUNDS`` rounds of the stage, each of that round's
    champion. A competition in which no champion was scored is left out.
    """
    newest = max((r.key.sync_block for held in state.rounds.values() for r in held), default=None)
    started = [s for s in schedule.stages if newest is not None and s.from_block <= newest]
    if not started:
        return ()
    stage, found = started[-1], []
    for competition in stage.competitions:
        scored = [
            losses
            for r in state.rounds.get(competition.id, ())
            if r.key.sync_block >= stage.from_block and (losses := _of_champion(r))
        ][:WINDOW_ROUNDS]
        if scored:
            levels = {
                name: _rounded(exact_sum(_mean(parts, s) for s in scored) / len(scored))
                for name, parts in _with_levels(competition.tasks)
                if all(part.name in s for s in scored for part in parts)
            }
            found.append(
                ProposedLevels(
                    competition=competition.id,
                    name=competition.name,
                    from_block=stage.from_block,
                    num_rounds=len(scored),
                    levels={name: level for name, level in levels.items() if level > 0},
                )
            )
    return tuple(found)


def _of_champion(round_: RoundResult) -> Mapping[TaskName, float]:
    row = next((e for e in round_.entries if e.key == round_.champion), None)
    return {t.task: t.raw for t in row.tasks} if row is not None else {}


def _with_levels(tasks: Sequence[Task]) -> Iterator[tuple[TaskName, tuple[Task, ...]]]:
    """Yield all that has a level of its own: tasks, mixtures, or the parts of one, by name."""
    for name, parts in by_whole(tasks).items():
        if have_one_level(parts):
            yield name, parts
        else:
            yield from ((part.name, (part,)) for part in parts)


def _mean(parts: Sequence[Task], losses: Mapping[TaskName, float]) -> float:
    """Return the mean loss of a task; of a mixture, over the samples of all parts."""
    total = exact_sum(part.num_samples * losses[part.name] for part in parts)
    return total / sum(part.num_samples for part in parts)


def _rounded(value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        return 0.0
    return round(value, DIGITS - 1 - math.floor(math.log10(value)))
