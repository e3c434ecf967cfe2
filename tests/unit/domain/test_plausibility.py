"""Losses that are too good to be a model's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sn37.domain.round.plausibility import implausibility
from sn37.domain.schedule.methods import Method
from sn37.testing.builders import a_competition, a_task, losses

RULES = a_competition(tasks=(a_task("text", num_samples=16),))


@pytest.mark.parametrize(("loss", "is_told"), [(0.0, True), (0.0199, True), (0.021, False)])
def test_t50_a_mean_loss_below_the_floor_is_implausible(loss: float, is_told: bool) -> None:
    told = implausibility([losses(*[loss] * 16, task="text")], RULES)
    assert told == (f"task text: mean loss {loss:.4g}, below the floor of 0.02" if is_told else "")


def test_t50_a_few_losses_of_zero_are_not_a_mean_of_zero() -> None:
    assert implausibility([losses(*[0.0] * 15, 1.0, task="text")], RULES) == ""


def test_t50_one_task_below_the_floor_is_enough() -> None:
    rules = a_competition(
        tasks=(
            a_task("good", num_samples=16, weight=0.5),
            a_task("text", num_samples=16, weight=0.5),
        )
    )
    blocks = [losses(*[3.0] * 16, task="good"), losses(*[0.001] * 16, task="text")]
    assert implausibility(blocks, rules).startswith("task text")


def test_every_question_may_be_answered() -> None:
    task = a_task("questions", method=Method.MULTIPLE_CHOICE, num_samples=16)
    rules = a_competition(tasks=(task,))
    assert implausibility([losses(*[0.0] * 16, task="questions")], rules) == ""


@pytest.mark.parametrize("floor", [0.0, -1.0, float("nan"), float("inf")])
def test_a_competition_without_a_floor_is_refused(floor: float) -> None:
    with pytest.raises(ValueError, match="floor"):
        replace(RULES, floor=floor)
