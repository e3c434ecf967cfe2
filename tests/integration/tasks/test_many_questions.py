"""Ten thousand samples of each generator, each solved again and spoilt in several ways."""

from __future__ import annotations

import pytest

from sn37.domain.ids import Seed
from sn37.domain.tasks.questions import draw_questions
from tests.unit.tasks.solving import MAKERS, check_references

NUM_SAMPLES = 10_000


@pytest.mark.parametrize("task", MAKERS)
def test_ten_thousand_references_are_right_and_what_differs_from_them_is_not(task: str) -> None:
    samples = draw_questions(task, MAKERS[task], count=NUM_SAMPLES, seed=Seed(2**255 + 19))
    assert len({sample.content_hash for sample in samples}) == NUM_SAMPLES
    check_references(task, samples)
