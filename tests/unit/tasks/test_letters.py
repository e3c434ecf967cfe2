"""The letter that an answer names, and when it is decided."""

from __future__ import annotations

from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.tasks.letters import MAX_OPTIONS, named_option

# Texts that are near the parser's borders more often than random ones.
ANSWERS = st.text(st.sampled_from("ABCDEFa1 .):(]*\"'\n\r\t-,\ufffd\u00e9\u0391"), max_size=20)
OPTIONS = st.integers(2, MAX_OPTIONS)


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        (" B \n", "B"),
        ("B.", "B"),
        ("B) because", "B"),
        ("(B) because", "B"),
        ("[B]", "B"),
        ("B: because", "B"),
        ("**B**", "B"),
        ('"B"', "B"),
        ("B\nbecause", "B"),
        ("B\r\nbecause", "B"),
        ("A good guess is B.", "B"),
        ("The answer is B", "B"),
        ("The answer is:B", "B"),
        ("I would say D) rather than A) or B)", "D"),
        ("A is wrong, B is wrong, so it is C.", "C"),
        ("E. coli, or A.", "A"),  # E is none of the options
        ("", None),
        ("b.", None),
        ("B is right", None),
        ("B, I think", None),
        ("BA.", None),
        ("NaB.", None),
        ("U.S.A.", None),
        ("-B.", None),
        ("\u0391.", None),  # the Greek letter
        ("B\u0301.", None),  # with an accent
        ("none of them.", None),
    ],
)
def test_the_first_letter_that_something_ends_is_the_answer(
    answer: str, letter: str | None
) -> None:
    place = None if letter is None else ascii_uppercase.index(letter)
    assert named_option(answer, 4) == place


@given(ANSWERS, ANSWERS, OPTIONS)
def test_what_a_beginning_names_the_whole_answer_names(
    beginning: str, rest: str, num_options: int
) -> None:
    decided = named_option(beginning, num_options, is_whole=False)
    if decided is not None:
        assert named_option(beginning + rest, num_options) == decided
        assert named_option(beginning + rest, num_options, is_whole=False) == decided


@given(st.text(), OPTIONS)
def test_only_an_option_is_named(answer: str, num_options: int) -> None:
    for is_whole in (True, False):
        named = named_option(answer, num_options, is_whole=is_whole)
        assert named is None or (0 <= named < num_options and ascii_uppercase[named] in answer)


@given(ANSWERS, OPTIONS, st.integers(0, MAX_OPTIONS - 1))
def test_a_letter_alone_is_an_answer_until_something_follows(
    rest: str, num_options: int, place: int
) -> None:
    letter = ascii_uppercase[place]
    expected = place if place < num_options else None
    assert named_option(letter, num_options) == expected
    assert named_option(letter, num_options, is_whole=False) is None
    assert named_option(f"{letter}. {rest}", num_options, is_whole=False) in (
        (expected,) if expected is not None else (named_option(rest, num_options, is_whole=False),)
    )


def test_half_of_a_character_after_a_letter_decides_nothing() -> None:
    assert named_option("B\ufffd", 4, is_whole=False) is None
    assert named_option("B\ufffd", 4) is None
