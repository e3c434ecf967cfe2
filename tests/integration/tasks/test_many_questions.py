"""Ten thousand samples of each generator, each solved again and spoilt in several ways."""

from __future__ import annotations

import pytest

from sn37.domain.ids import Seed
from sn37.domain.tasks.answers import judge
from sn37.domain.tasks.instruction_task import InstructionTask
from sn37.domain.tasks.questions import draw_questions
from sn37.domain.tasks.rules import follows
from tests.unit.tasks.solving import (
    MAKERS,
    broken_answers,
    check_references,
    instruction_questions,
)

NUM_SAMPLES = 10_000


@pytest.mark.parametrize("task", MAKERS)
def test_ten_thousand_references_are_right_and_what_differs_from_them_is_not(task: str) -> None:
    samples = draw_questions(task, MAKERS[task], count=NUM_SAMPLES, seed=Seed(2**255 + 19))
    assert len({sample.content_hash for sample in samples}) == NUM_SAMPLES
    check_references(task, samples)


def test_ten_thousand_example_answers_follow_their_rules_and_what_breaks_one_does_not() -> None:
    samples = draw_questions(
        "if_eval", instruction_questions, count=NUM_SAMPLES, seed=Seed(2**255 + 19)
    )
    assert len({sample.content_hash for sample in samples}) == NUM_SAMPLES
    tasks = [InstructionTask.from_text(sample.reference) for sample in samples]
    verdicts = judge(tasks, [task.answer for task in tasks])
    assert {(verdict.fault, verdict.share_not_followed) for verdict in verdicts} == {(None, 0.0)}
    for task in tasks:
        for rule, wrong in broken_answers(task):
            assert not follows(rule, wrong), (rule, wrong)
