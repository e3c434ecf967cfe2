"""Leverage of a gain in one task: its share of the score, and the time until it wins the crown.

The numbers are assumptions: models differ like fine-tunes of one base, and their mean loss is the
task's level. A schedule that fails with these numbers fails with others too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sn37.domain.round.rounds_to_crown import Rate, constant, rounds_until_crown
from sn37.domain.schedule.competition import Competition, Task
from sn37.domain.schedule.mixture import wholes

# Standard deviation of the difference between two fine-tunes' losses on one text, over the mean
# loss: a spread of 0.43 and a correlation of 0.98, from docs/winner.md.
LOSS_SPREAD = 0.43 * math.sqrt(2 * 0.02)
# The same for questions with options: losses of two fine-tunes spread about as widely as their
# mean, with a correlation of 0.95. One point of accuracy then takes 19 rounds of 300 questions, of
# which 40 % are answered wrongly; counted as right or wrong, 118.
CHOICE_SPREAD = math.sqrt(2 * 0.05)
# Share of checkable answers in which two fine-tunes differ.
ANSWERS_THAT_DIFFER = 0.1
# Default gain in one task alone: a tenth of its loss is a large step between champions.
STATED_GAIN = 0.1
# A gain of this size in one task alone must win the crown: a miner that halves the loss of a
# weighted task deserves it.
DECISIVE_GAIN = 0.5
# Rounds within which it must win: ten days at 20 rounds a day. Evidence against a champion is lost
# when the champion changes, and few reign longer.
MAX_ROUNDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Leverage:
    """Value of a gain in one task alone."""

    task: Task
    gain: float  # of the challenger, as a share of the task's loss
    relative_gain: float  # as a share of the whole score
    rounds: int | None  # until the crown, by epsilon's end value; ``None`` is never


def leverages(competition: Competition, gain: float = STATED_GAIN) -> tuple[Leverage, ...]:
    """Return the leverage of each task; empty if a task has no level. A mixture is one task."""
    tasks = wholes(competition.tasks)
    if len(tasks) > 1 and any(t.level is None for t in tasks):
        return ()
    return tuple(_leverage(competition, task, gain) for task in tasks)


def undecided(competition: Competition) -> tuple[Leverage, ...]:
    """Return the tasks in which even a large gain wins no crown within ``MAX_ROUNDS`` rounds."""
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
    """Return a round's rate if each task's mean loss is its level, so that the score is 1."""
    tasks = wholes(competition.tasks)
    num = sum(t.num_samples for t in tasks)
    squares = clipped_squares = clipped_gain = 0.0
    for task in tasks:
        share = task.num_samples / num
        factor = task.weight / share  # a sample's value when its loss is the level
        level = task.level or 1.0
        clip = 1.0
        if task.method.traits.is_right_or_wrong:
            level = min(level, 1.0)
            spread = math.sqrt(ANSWERS_THAT_DIFFER) / level
            clip = level  # a wrong answer is 1 / level mean losses, and counts as one
        else:
            spread = CHOICE_SPREAD if task.method.traits.is_choice else LOSS_SPREAD
        mean = gain if task.name == better.name else 0.0
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
