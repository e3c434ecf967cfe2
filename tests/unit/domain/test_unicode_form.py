"""The canonical form of a stranger's text, in time that grows with its length alone."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.data.multiple_choice import NotMultipleChoice, parse_multiple_choice
from sn37.domain.data.repeats import EQUAL, repeats
from sn37.domain.data.unicode_form import MOST_MARKS, composed, is_mark
from sn37.testing.builders import a_sample, time_of

LONGEST = 200_000  # characters of a row; unicodedata alone takes minutes for such a run of marks
RUNS = {
    "one mark": "\u0301",
    "two in the wrong order": "\u0301\u0323",
    "five": "\u0345\u0301\u0323\u0327\u0334",
    "marks by their decomposition alone": "\u0f73",
    "three of those": "\u0f81\u0f75\u0f73",
    "a mark that becomes two": "\u0344\u0323",
    "Hebrew points": "\u05b4\u05bc",
}


def run_of(name: str, length: int = LONGEST) -> str:
    marks = RUNS[name]
    return "a" + (marks * (length // len(marks) + 1))[: length - 1]


def test_a_character_is_a_mark_exactly_if_its_decomposition_begins_with_one() -> None:
    characters = (chr(n) for n in range(sys.maxunicode + 1) if not 0xD800 <= n < 0xE000)
    wrong = [
        c
        for c in characters
        if is_mark(c) != (unicodedata.combining(unicodedata.normalize("NFD", c)[0]) != 0)
    ]
    assert wrong == []


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("".join(RUNS.values()))))
def test_a_text_without_a_long_run_of_marks_is_composed(text: str) -> None:
    text = text[:MOST_MARKS]
    assert composed(text) == unicodedata.normalize("NFC", text)


def test_as_many_marks_as_are_allowed_are_put_in_order_and_one_more_is_not() -> None:
    marks = "\u0301\u0323" * (MOST_MARKS // 2)
    assert composed("a" + marks) == unicodedata.normalize("NFC", "a" + marks) != "a" + marks
    assert composed("a" + marks + "\u0301") == "a" + marks + "\u0301"
    assert composed(f"a{marks}b{marks}") == unicodedata.normalize("NFC", f"a{marks}b{marks}")


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_fills_a_row_is_left_as_it_is(name: str) -> None:
    assert composed(run_of(name)) == run_of(name)


@pytest.mark.parametrize("name", RUNS)
def test_t59_a_signed_row_of_marks_does_not_hold_up_the_pool(name: str) -> None:
    """A response of a stranger. Fifty of them took a validator more than an hour to compare."""
    lengths = (LONGEST, LONGEST - 1, LONGEST)
    rows = [
        a_sample(
            f"row-{n}",
            signer="alice",
            prompt="",
            reference=run_of(name, length),
            produced_at=time_of(n),
        )
        for n, length in enumerate(lengths)
    ]
    assert repeats(rows)["row-0"] == EQUAL


@pytest.mark.parametrize("name", RUNS)
def test_t59_nor_does_an_answer_of_marks_hold_up_the_reading_of_questions(name: str) -> None:
    question = f"Which of them?\nA. {run_of(name, 5000)}\nB. {run_of(name, 9000)}"
    assert parse_multiple_choice(question, "B").answer == run_of(name, 9000)
    with pytest.raises(NotMultipleChoice):
        parse_multiple_choice(question, f"B. {run_of(name)}")
