"""Competitions, tasks and stages in words."""

from __future__ import annotations

from collections.abc import Callable

from sn37.app.leaderboard.views import Moment, StageLine, TaskLine
from sn37.domain.ids import Block, CompetitionId
from sn37.domain.printable import one_line
from sn37.domain.schedule.competition import Competition, Freshness, Source, Task
from sn37.domain.schedule.epsilon import FixedEpsilon, LinearEpsilon
from sn37.domain.schedule.methods import LossUnit, Method
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.schedule import Schedule

_DOES = {
    Method.REFERENCE_LOSS: "predicts the responses of {source}",
    Method.TEXT_LOSS: "predicts the texts of {source}",
    Method.MULTIPLE_CHOICE: "answers the questions of {source}",
    Method.CHOICE_TEXT: "chooses the right answers of {source}",
    Method.GENERATED_CHOICE: "answers the questions of {source} in its own words",
    Method.INSTRUCTION_RULES: "follows the instructions of {source}",
}

_UNITS = {LossUnit.SHARE: "share that is wrong", LossUnit.GUESS: "1 is guessing"}


def purpose(rules: Competition) -> str:
    """Return what a competition looks for, in one sentence."""
    does = list(
        dict.fromkeys(
            _DOES[t.method].format(source=one_line(t.source.name))
            for t in sorted(rules.tasks, key=lambda t: -t.weight)
        )
    )
    what = does[0] if len(does) == 1 else f"{', '.join(does[:-1])} and {does[-1]}"
    live = any(t.source.freshness is Freshness.LIVE for t in rules.tasks)
    size = count(rules.constraints.max_parameters)
    ending = ", on data younger than the model" if live else ""
    return f"The model of at most {size} parameters that best {what}{ending}."


def unit_of(task: Task, rules: Competition) -> str:
    """Return the unit of a task's losses."""
    if (unit := task.method.traits.unit) in _UNITS:
        return _UNITS[unit]
    return "nats per token" if rules.tokenizer is not None else "bits per byte"


def task_line(task: Task, rules: Competition) -> TaskLine:
    """Return a task for a table."""
    return TaskLine(
        name=one_line(task.name),
        source=one_line(task.source.name),
        freshness=freshness(task.source),
        method=task.method.value,
        loss=task.method.traits.loss,
        unit=unit_of(task, rules),
        weight=task.weight,
        num_samples=task.num_samples,
        level=task.unit,
    )


def freshness(source: Source) -> str:
    """Return how old the rows of a source may be."""
    if source.freshness is Freshness.LIVE:
        hours = source.max_age_s / 3600
        return f"live, at most {hours:.3g} {'hour' if hours == 1 else 'hours'} old"
    return "not fresh; drawn by a later block hash"


def margin(rules: Competition) -> str:
    """Return the margin by which a champion must be beaten."""
    epsilon = rules.epsilon
    if isinstance(epsilon, LinearEpsilon):
        return (
            f"{epsilon.start:.2%}, falling to {epsilon.stop:.2%} over "
            f"{epsilon.decay_blocks:,} blocks"
        )
    return f"{epsilon.value if isinstance(epsilon, FixedEpsilon) else epsilon.end:.2%}"


def limits(constraints: ModelConstraints) -> str:
    """Return the limits on models."""
    names = ", ".join(map(one_line, sorted(constraints.architectures)))
    return (
        f"at most {count(constraints.max_parameters)} parameters and "
        f"{constraints.max_bytes / 1e6:,.0f} MB; {names}"
    )


def stages(
    schedule: Schedule, competition: CompetitionId, now: Block, moment: Callable[[Block], Moment]
) -> tuple[StageLine, ...]:
    """Return the rules of a competition in every stage, the oldest first."""
    found = []
    starts = [stage.from_block for stage in schedule.stages]
    current = max((b for b in starts if b <= now), default=None)
    for stage in schedule.stages:
        rules = next((c for c in stage.competitions if c.id == competition), None)
        found.append(
            StageLine(
                begins=moment(stage.from_block),
                is_current=stage.from_block == current,
                reward_share=None if rules is None else rules.reward_share,
                margin="" if rules is None else margin(rules),
                delay_blocks=0 if rules is None else rules.delay_blocks,
                limits="" if rules is None else limits(rules.constraints),
                tasks=()
                if rules is None
                else tuple(task_line(task, rules) for task in rules.tasks),
            )
        )
    return tuple(found)


def newest_rules(schedule: Schedule, competition: CompetitionId, now: Block) -> Competition | None:
    """Return the rules at a block, or the nearest ones if the competition does not run then."""
    if (rules := schedule.competition(competition, now)) is not None:
        return rules
    held = [
        (abs(stage.from_block - now), rules)
        for stage in schedule.stages
        for rules in stage.competitions
        if rules.id == competition
    ]
    return min(held, key=lambda pair: pair[0])[1] if held else None


def count(number: int) -> str:
    """Return a large number in words: 1.2 billion, 360 million, 12,000."""
    for unit, word in ((10**9, "billion"), (10**6, "million")):
        if number >= unit:
            return f"{number / unit:.3g} {word}"
    return f"{number:,}"
