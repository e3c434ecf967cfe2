"""No text that ignores the rules of its question follows more than about half of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import pytest

from sn37.domain.data.samples import Sample
from sn37.domain.ids import Seed
from sn37.domain.tasks.instruction_task import InstructionTask
from sn37.domain.tasks.questions import draw_questions
from tests.unit.tasks.blind import BLIND, Blind, mean_loss, references, templates
from tests.unit.tasks.solving import instruction_questions

NUM_SAMPLES = 300
# Measured: 0.52 for all words of the list, far beyond a usual budget of tokens, 0.49 for the
# prompt, 0.57 or more for the others.
LEAST_LOSS = 0.45
HALF = NUM_SAMPLES // 2
NUM_REFERENCES = 50


@cache
def drawn() -> tuple[Sample, ...]:
    return draw_questions("if_eval", instruction_questions, count=NUM_SAMPLES, seed=Seed(27))


@cache
def tasks() -> tuple[InstructionTask, ...]:
    return tuple(InstructionTask.from_text(sample.reference) for sample in drawn())


def loss_of_the_best(candidates: Iterable[Blind]) -> float:
    """Choose a text on the first half of the questions; return its loss on the second."""
    first, second = drawn()[:HALF], drawn()[HALF:]
    best = min(candidates, key=lambda blind: mean_loss(blind, first, tasks()[:HALF]))
    return mean_loss(best, second, tasks()[HALF:])


@pytest.mark.parametrize("blind", BLIND.values(), ids=BLIND)
def test_t27_a_text_that_ignores_the_rules_follows_half_of_them_at_most(blind: Blind) -> None:
    assert mean_loss(blind, drawn(), tasks()) >= LEAST_LOSS


def test_t27_the_answer_to_another_question_follows_half_of_the_rules_at_most() -> None:
    """With the nouns swapped; two questions on, so the rules are others."""
    losses = [
        mean_loss(blind, [sample], [task])
        for blind, sample, task in zip(
            references(drawn(), tasks()), drawn()[2:], tasks()[2:], strict=False
        )
    ]
    assert sum(losses) / len(losses) >= LEAST_LOSS


def test_t27_the_best_of_fifty_answers_follows_half_of_the_rules_at_most() -> None:
    known = slice(0, NUM_REFERENCES)
    assert loss_of_the_best(references(drawn()[known], tasks()[known])) >= LEAST_LOSS


def test_t27_the_best_form_of_a_text_follows_half_of_the_rules_at_most() -> None:
    assert loss_of_the_best(templates()) >= LEAST_LOSS


def test_t27_the_prompt_as_its_own_answer_follows_about_half_of_the_rules() -> None:
    """It has all the words that are asked for, and those that are not allowed."""
    losses = [
        mean_loss(lambda _, text=sample.prompt: text, [sample], [task])  # type: ignore[misc]
        for sample, task in zip(drawn(), tasks(), strict=True)
    ]
    assert sum(losses) / len(losses) >= LEAST_LOSS
