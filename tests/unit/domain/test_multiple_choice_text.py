"""Question, options and answer out of a text, or nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sn37.domain.data.multiple_choice import (
    MAX_CHARS,
    MAX_OPTIONS,
    MultipleChoice,
    MultipleChoiceFault,
    NotMultipleChoice,
    parse_multiple_choice,
)

LETTERS = "ABCDEFGHIJK"
STYLES = ["{}.", "{})", "({})", "{}:"]
LINES = """What is the capital of France?

A. Lyon
B. Paris
C. Nice
D. Lille"""

# Words that make trouble: letters with dots, brackets, other alphabets, marks that compose.
words = st.one_of(
    st.sampled_from(
        ["E.", "coli", "U.S.A.", "A.", "B.", "(B)", "C)", "D:", "K.", "i.e.", "-", "?"]
    ),
    st.sampled_from(["Ünïcode", "日本語", "e\u0301tat", "x²", "pH", "PH", "1.5", "\u200b", "Ω"]),
    st.text("ABCDE.):(x\u0301\u0131\u017f", min_size=1, max_size=6),
)
texts = st.lists(words, min_size=1, max_size=6).map(" ".join)
line_texts = st.lists(texts, min_size=1, max_size=2).map("\n".join)


@st.composite
def questions(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> tuple[str, tuple[str, ...], int]:
    """A question, its options, and the place of the right one."""
    unique = st.lists(texts, min_size=2, max_size=MAX_OPTIONS, unique=True)
    options = tuple(draw(unique))
    return draw(texts), options, draw(st.integers(0, len(options) - 1))


def render(question: str, options: tuple[str, ...], *, style: str, between: str) -> str:
    lettered = [f"{style.format(x)} {o}" for x, o in zip(LETTERS, options, strict=False)]
    return between.join([question, *lettered])


def fault(challenge: str, reference: str = "A") -> MultipleChoiceFault:
    with pytest.raises(NotMultipleChoice) as caught:
        parse_multiple_choice(challenge, reference)
    return caught.value.fault


def assert_read_back_or_refused(
    question: str, options: tuple[str, ...], place: int, *, style: str, between: str
) -> None:
    following = re.escape(style.format(LETTERS[len(options)]))
    # This text is that of a question with one option more.
    assume(not re.search(rf"(?<!\S){following}(?!\S)", options[-1]))
    challenge = render(question, options, style=style, between=between)
    try:
        found = parse_multiple_choice(challenge, LETTERS[place])
    except NotMultipleChoice:
        return
    assert found == MultipleChoice(question=question, options=options, answer=options[place])


@given(questions(line_texts), st.sampled_from(STYLES))
@settings(max_examples=60)
@example(("Which?", ("E. coli", "B. cereus", "U.S.A."), 2), "{}.")
def test_options_on_lines_are_read_back_as_they_were_or_not_at_all(
    question: tuple[str, tuple[str, ...], int], style: str
) -> None:
    assert_read_back_or_refused(*question, style=style, between="\n")


@given(questions(texts), st.sampled_from(STYLES))
@settings(max_examples=60)
@example(("Which?", ("E. coli", "S. aureus", "B. cereus", "None"), 2), "{}.")
def test_options_in_one_line_are_read_back_as_they_were_or_not_at_all(
    question: tuple[str, tuple[str, ...], int], style: str
) -> None:
    assert_read_back_or_refused(*question, style=style, between=" ")


plain = st.text("mnxyz0123日本éωß=+?", min_size=1, max_size=8)
sentences = st.lists(plain, min_size=1, max_size=5).map(" ".join)


@given(questions(sentences), st.sampled_from(STYLES), st.sampled_from(["\n", " ", "\r\n", "\n\n"]))
@settings(max_examples=60)
def test_without_such_letters_in_the_text_every_question_is_read_back(
    question: tuple[str, tuple[str, ...], int], style: str, between: str
) -> None:
    text, options, place = question
    assume(len({o.casefold() for o in options}) == len(options))
    challenge = render(text, options, style=style, between=between)
    found = parse_multiple_choice(challenge, LETTERS[place])
    assert (found.question, found.options, found.answer) == (text, options, options[place])


@pytest.mark.parametrize(
    "challenge",
    [
        "Which one?\nA. E. coli\nB. S. aureus\nC. B. cereus\nD. A. baumannii",
        "Which one? A. E. coli B. S. aureus C. B. cereus D. A. baumannii",
        "Which one? A) E. coli B) S. aureus C) B. cereus D) A. baumannii",
        "Which one?\n (A) E. coli (B) S. aureus\n (C) B. cereus (D) A. baumannii\n",
        "Which one?\r\nA. E. coli\r\nB. S. aureus\r\n\r\nC. B. cereus\r\nD. A. baumannii",
    ],
)
def test_letters_with_dots_inside_options_belong_to_them(challenge: str) -> None:
    found = parse_multiple_choice(challenge, "C")
    assert found.question == "Which one?"
    assert found.options == ("E. coli", "S. aureus", "B. cereus", "A. baumannii")
    assert found.answer == "B. cereus"


def test_an_option_on_lines_may_have_several_of_them() -> None:
    found = parse_multiple_choice("Which code?\nA. x = 1\n   y = 2\nB. pass", "a")
    assert found.options == ("x = 1\n   y = 2", "pass")
    assert found.answer == "x = 1\n   y = 2"


@pytest.mark.parametrize(
    "reference", ["B", "b", " B ", "B.", "B)", "(B)", "B. Paris", "b: paris", "(B) Paris"]
)
def test_the_reference_is_a_letter_perhaps_with_its_option(reference: str) -> None:
    assert parse_multiple_choice(LINES, reference).answer == "Paris"


@pytest.mark.parametrize(
    "reference", ["", "E", "?", "BC", "B. Lyon", "Paris", "B Paris", "Because", "é", "1", "ß"]
)
def test_a_reference_that_names_no_option_is_refused(reference: str) -> None:
    assert fault(LINES, reference) is MultipleChoiceFault.ANSWER


def test_a_reference_that_is_a_letter_and_another_options_text_is_refused() -> None:
    blood = "Which group?\nA. AB\nB. A\nC. 0"
    assert fault(blood, "A") is MultipleChoiceFault.AMBIGUOUS
    assert parse_multiple_choice(blood, "B").answer == "A"


@pytest.mark.parametrize(
    ("challenge", "expected"),
    [
        ("", MultipleChoiceFault.NO_OPTIONS),
        ("What is the capital of France?", MultipleChoiceFault.NO_OPTIONS),
        ("Which?\nA. one", MultipleChoiceFault.NO_OPTIONS),
        ("Which?\nB. one\nC. two", MultipleChoiceFault.NO_OPTIONS),
        ("Which?\nA.one\nB.two", MultipleChoiceFault.NO_OPTIONS),
        ("A. one\nB. two", MultipleChoiceFault.NO_QUESTION),
        ("Which?\nA. one\nB. two\u2581", MultipleChoiceFault.LOST),
        ("Which?\nA. one\nB. One ", MultipleChoiceFault.DUPLICATE),
        ("Which?\nA. e\u0301\nB. é", MultipleChoiceFault.DUPLICATE),
        ("Which?\nA. one\nB. two\nC.", MultipleChoiceFault.AMBIGUOUS),
        ("Which?\nA. one\nB.\nC. three", MultipleChoiceFault.AMBIGUOUS),
        ("Which?\nA. one\nB. C. two", MultipleChoiceFault.AMBIGUOUS),
        ("Which?\nA. one\nB. by C. two", MultipleChoiceFault.AMBIGUOUS),
        ("Which?\nA. one\nB. two\n\nAnswer with a letter.", MultipleChoiceFault.AMBIGUOUS),
        ("Vitamin A. Which? A. one B. two", MultipleChoiceFault.AMBIGUOUS),
        ("Which? A. one B. two (A) three (B) four", MultipleChoiceFault.AMBIGUOUS),
        ("Which? A. one B. two A. one B. two", MultipleChoiceFault.AMBIGUOUS),
        ("Which?" + " A. x B. y" * 101, MultipleChoiceFault.AMBIGUOUS),
        ("x" * (MAX_CHARS + 1), MultipleChoiceFault.TOO_LONG),
        (
            "Which?\n" + "\n".join(f"{x}. {x.lower()}{x.lower()}" for x in LETTERS),
            MultipleChoiceFault.TOO_MANY,
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(
    challenge: str, expected: MultipleChoiceFault
) -> None:
    assert fault(challenge) is expected


@given(st.text(st.sampled_from("AB.)(:K \n\rx"), max_size=60), st.text(max_size=4))
@settings(max_examples=60)
def test_any_text_is_read_or_refused(challenge: str, reference: str) -> None:
    try:
        found = parse_multiple_choice(challenge, reference)
    except NotMultipleChoice:
        return
    assert found.answer in found.options
    assert len(set(found.options)) == len(found.options) >= 2
    assert all(found.options)
    assert found.question


def test_a_text_with_exponentially_many_readings_is_refused_at_once() -> None:
    many = " ".join(f"{x}. x" for x in "ABCDEFGHIJ" for _ in range(10))
    assert fault(f"Which? {many}") is MultipleChoiceFault.AMBIGUOUS
