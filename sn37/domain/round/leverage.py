"""What a gain in one task is worth: its share of the score, and how soon it takes the crown.

Nothing is measured here. Models are taken to differ as fine-tunes of one base did, and to lose a
task's level on average; a schedule that fails by these numbers fails by others too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sn37.domain.round.rounds_to_crown import Rate, constant, rounds_until_crown
from sn37.domain.schedule.competition import Competition, Method, Task

# Standard deviation of the difference between two fine-tunes' losses on one text, over the mean
# loss: a spread of 0.43 and a correlation of 0.98, as docs/winner.md has them.
LOSS_SPREAD = 0.43 * math.sqrt(2 * 0.02)
# Of questions that are right or wrong, on which two fine-tunes answer differently: one in ten.
ANSWERS_THAT_DIFFER = 0.1
RIGHT_OR_WRONG = (Method.MULTIPLE_CHOICE, Method.INSTRUCTION_RULES)
# A gain in one task alone that is asked for: a tenth of its loss is a large step between champions.
STATED_GAIN = 0.1
# The largest gain in one task alone that a schedule may leave without a crown: who halves the loss
# of a task that has a weight has done what the weight asks for.
DECISIVE_GAIN = 0.5
# Rounds in which it must be crowned: ten days at 20 rounds a day. Evidence against a champion is
# lost when another one comes, and few reign longer.
MAX_ROUNDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Leverage:
    """What a gain in one task alone is worth."""

    task: Task
    gain: float  # by which share of the task's loss the challenger is better
    relative_gain: float  # of the whole score
    rounds: int | None  # until the crown, by epsilon's end value; ``None`` is never


def leverages(competition: Competition, gain: float = STATED_GAIN) -> tuple[Leverage, ...]:
    """Of each task, or of none where a task has no level to weigh it by."""
    if len(competition.tasks) > 1 and any(t.level is None for t in competition.tasks):
        return ()
    return tuple(_leverage(competition, task, gain) for task in competition.tasks)


def undecided(competition: Competition) -> tuple[Leverage, ...]:
    """The tasks in which even a large gain takes no crown within ``MAX_ROUNDS`` rounds."""
    return tuple(
        found
        for found in leverages(competition, DECISIVE_GAIN)
        if found.rounds is None or found.rounds > MAX_ROUNDS
    )


def _leverage(competition: Competition, task: Task, gain: float) -> Leverage:
    rate = _rate(competition, task, gain)
    return Leverage(
        task=task,
        gain=gain,
        relative_gain=rate.relative_gain,
        rounds=rounds_until_crown(rate, constant(competition.epsilon.end)),
    )


def _rate(competition: Competition, better: Task, gain: float) -> Rate:
    """What a round adds when each task's mean loss is its level, so that the score is 1."""
    num = sum(t.num_samples for t in competition.tasks)
    squares = clipped_squares = clipped_gain = 0.0
    for task in competition.tasks:
        share = task.num_samples / num
        factor = task.weight / share  # a sample's value when its loss is the level
        level = task.level or 1.0
        clip = 1.0
        if task.method in RIGHT_OR_WRONG:
            level = min(level, 1.0)
            spread = math.sqrt(ANSWERS_THAT_DIFFER) / level
            clip = level  # a wrong answer is 1 / level mean losses, and counts as one
        else:
            spread = LOSS_SPREAD
        mean = gain if task is better else 0.0
        squares += share * factor**2 * (spread**2 + mean**2)
        clipped_squares += share * factor**2 * clip**2 * (spread**2 + mean**2)
        clipped_gain += share * factor * clip * mean
    total = better.weight * gain
    return Rate(
        num_samples=num,
        mean=1.0,
        gain=total,
        variance=squares - total**2,
        standard_error=math.sqrt((squares - total**2) / num),
        clipped_shift=clipped_gain - total,
        clipped_variance=clipped_squares - clipped_gain**2,
    )
