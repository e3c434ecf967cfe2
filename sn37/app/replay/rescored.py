"""Comparison of a receipt's losses with those of a replay."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sn37.domain.ids import TaskName
from sn37.domain.records.receipt import Receipt
from sn37.domain.round.evidence import exact_sum
from sn37.domain.scoring.jobs import ControlLoss
from sn37.domain.scoring.opinion import (
    CHOICE_MEAN_TOLERANCE,
    CHOICE_SAMPLE_TOLERANCE,
    GENERATED_GAIN,
    LEAST_ANSWERS,
)
from sn37.domain.scoring.worst_loss import WORST_SHARE

# Relative difference of a task's mean loss between any two devices, measured in
# docs/decisions/0033.
TOLERANCE = 2e-4
# The same for a single sample: 50 times as much. Samples differ by 0.0005 nats on average, the
# shortest texts by much more. A larger difference means another model or another text.
SAMPLE_TOLERANCE = 50 * TOLERANCE
# Share of questions whose likeliest option another device may change.
TIES = 0.01
# Keys of an environment that do not influence losses: the sandbox, and if a round was scored later.
_NO_NUMBERS = frozenset({"sandbox", "scored"})


class Agreement(StrEnum):
    """Agreement of a receipt's losses with those found now."""

    EQUAL = "equal"  # to the last bit
    WITHIN = "within tolerance"  # as on another device, or with another version of a library
    BEYOND = "beyond tolerance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The two losses of one sample."""

    task: TaskName
    position: int  # in the task's manifest
    row_id: str
    recorded: float
    rescored: float

    @property
    def is_equal(self) -> bool:
        return self.recorded == self.rescored or (
            math.isnan(self.recorded) and math.isnan(self.rescored)
        )

    def is_within(self, limit: float) -> bool:
        """True if they differ by no more than ``limit``."""
        return self.is_equal or abs(self.rescored - self.recorded) <= limit < math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskComparison:
    """One task's losses, recorded and found now."""

    task: TaskName
    num_samples: int
    num_equal: int
    recorded: float  # mean loss
    rescored: float
    is_choice: bool = False  # its samples are questions with options
    is_generated: bool = False  # its answers are generated

    @property
    def shift(self) -> float:
        """Increase of the mean since then, as a share of the recorded mean."""
        if self.num_equal == self.num_samples:
            return 0.0
        return (self.rescored - self.recorded) / self.recorded if self.recorded else math.inf

    @property
    def is_within(self) -> bool:
        """True if the means differ by no more than between two devices; never for NaN.

        A mean loss of questions may be near 0, where that of guessing is 1. A generated answer
        changes as a whole, so only a large gain of what was recorded shows anything, as for a
        second opinion.
        """
        if self.is_generated:
            is_said = self.num_samples >= LEAST_ANSWERS
            return not is_said or self.rescored - self.recorded <= GENERATED_GAIN
        if self.is_choice:
            return abs(self.rescored - self.recorded) <= CHOICE_MEAN_TOLERANCE
        return abs(self.shift) <= TOLERANCE

    @property
    def sample_limit(self) -> float:
        """Largest difference of one sample between two devices."""
        if self.is_generated:
            return WORST_SHARE
        return CHOICE_SAMPLE_TOLERANCE if self.is_choice else SAMPLE_TOLERANCE * self.rescored


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored:
    """Both losses of every scored sample of a receipt, in the order of scoring."""

    receipt: Receipt
    pairs: tuple[Pair, ...]
    environment: Mapping[str, str]  # of the scorer now
    # Cost of each control then and now; empty for a receipt of version 1, which has none.
    controls: tuple[tuple[ControlLoss, ControlLoss], ...] = ()
    # Right answers then and now, in each block of questions with options that are not generated.
    num_right: tuple[tuple[int, int], ...] = ()

    @property
    def answers_agree(self) -> bool:
        """True if as many questions are answered rightly, within those that are nearly ties."""
        difference = sum(now - then for then, now in self.num_right)
        num = sum(t.num_samples for t in self.tasks if t.is_choice and not t.is_generated)
        return abs(difference) <= max(1, TIES * num)

    @property
    def controls_agree(self) -> bool:
        """True if all controls are the same draws, at the same cost within a sample's tolerance."""
        return all(
            (then.kind, then.entropy_bits) == (now.kind, now.entropy_bits)
            and abs(then.measured_bits - now.measured_bits) <= SAMPLE_TOLERANCE * now.measured_bits
            for then, now in self.controls
        )

    @property
    def tasks(self) -> tuple[TaskComparison, ...]:
        """Comparison of each task, in the receipt's order."""
        by_task = {t: [p for p in self.pairs if p.task == t] for t in self.receipt.losses}
        return tuple(
            _comparison(
                task,
                pairs,
                is_choice=task in self.receipt.num_right,
                is_generated=task in self.receipt.answers,
            )
            for task, pairs in by_task.items()
            if pairs
        )

    @property
    def first(self) -> Pair | None:
        """The first sample whose losses differ."""
        return next((p for p in self.pairs if not p.is_equal), None)

    @property
    def first_beyond(self) -> Pair | None:
        """The first sample whose losses differ by more than devices do."""
        limits = {t.task: t.sample_limit for t in self.tasks}
        return next((p for p in self.pairs if not p.is_within(limits[p.task])), None)

    @property
    def agreement(self) -> Agreement:
        """Agreement of all losses: of the tasks' means, and of every sample and control.

        The numbers of right answers must agree too.
        """
        counted = (*self.controls, *self.num_right)
        if self.first is None and all(then == now for then, now in counted):
            return Agreement.EQUAL
        if not (self.controls_agree and self.answers_agree):
            return Agreement.BEYOND
        if self.first_beyond is None and all(t.is_within for t in self.tasks):
            return Agreement.WITHIN
        return Agreement.BEYOND

    @property
    def other_surroundings(self) -> Mapping[str, tuple[str, str]]:
        """Differences of the environment that influence losses: (then, now) by name.

        Without any, all bits should agree.
        """
        then, now = self.receipt.environment, self.environment
        return {
            name: (then.get(name, "not said"), now.get(name, "not said"))
            for name in sorted({*then, *now} - _NO_NUMBERS)
            if then.get(name) != now.get(name)
        }


def _comparison(
    task: TaskName, pairs: Sequence[Pair], *, is_choice: bool, is_generated: bool
) -> TaskComparison:
    return TaskComparison(
        task=task,
        num_samples=len(pairs),
        num_equal=sum(p.is_equal for p in pairs),
        recorded=exact_sum(p.recorded for p in pairs) / len(pairs),
        rescored=exact_sum(p.rescored for p in pairs) / len(pairs),
        is_choice=is_choice,
        is_generated=is_generated,
    )
