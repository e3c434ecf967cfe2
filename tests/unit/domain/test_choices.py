"""How questions with options are asked, and the loss of the right option."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.data.samples import Sample
from sn37.domain.ids import Digest, TaskName
from sn37.domain.schedule.methods import Method, Options
from sn37.domain.scoring.choices import (
    LETTER_CLOSINGS,
    LETTER_STYLES,
    OPENINGS,
    TEXT_CLOSINGS,
    ChoiceQuestion,
    asked,
    key_of,
    loss_of_share,
    question_key,
    questions_of,
    unaskable,
)
from sn37.domain.scoring.controls import controls_of
from sn37.domain.scoring.jobs import as_float32
from sn37.domain.scoring.opinion import second_job
from sn37.domain.scoring.worst_loss import WORST_GUESS
from sn37.domain.tasks.letters import MAX_OPTIONS
from sn37.testing.builders import a_batch, a_job, a_sample

QUIZ = TaskName("quiz")
OPTIONS = ("Paris", "Rome", "Bern", "Oslo")

shares = st.floats(0, 1)
counts = st.integers(2, MAX_OPTIONS)


def a_question(
    row: str = "row-1", *, right: str = "Rome", order: tuple[str, ...] = OPTIONS
) -> Sample:
    return a_sample(row, prompt="Which city?", reference=right, choices=order)


def letters(key: str, sample: Sample | None = None) -> ChoiceQuestion:
    return asked(sample or a_question(), QUIZ, Options.LETTERS, Digest(key))


def weighed(*sizes: int, right: int = 0) -> ChoiceQuestion:
    return ChoiceQuestion(
        prompt="", answers=tuple(map(str, range(len(sizes)))), sizes=sizes, right=right
    )


@given(counts)
def test_guessing_costs_one_and_more_likely_is_cheaper(k: int) -> None:
    assert as_float32([loss_of_share(1 / k, k)])[0] == 1.0
    assert 0 < loss_of_share(1.0, k) < 0.01 / math.log(k) + 1e-9
    assert loss_of_share(0.0, k) <= loss_of_share(0.0, 2) < 7.65 < WORST_GUESS


@given(shares, shares, counts)
def test_the_loss_falls_with_the_share_of_the_right_option(a: float, b: float, k: int) -> None:
    low, high = sorted((a, b))
    assert loss_of_share(high, k) <= loss_of_share(low, k)
    if high > low + 1e-9:
        assert loss_of_share(high, k) < loss_of_share(low, k)


nats = st.lists(st.floats(0, 1e3), min_size=2, max_size=6)


@given(nats, st.data())
def test_the_order_of_the_options_changes_no_loss(
    given_nats: list[float], data: st.DataObject
) -> None:
    sizes = data.draw(
        st.lists(st.integers(1, 50), min_size=len(given_nats), max_size=len(given_nats))
    )
    moved = data.draw(st.permutations(range(len(given_nats))))
    question = weighed(*sizes, right=0)
    other = weighed(*(sizes[n] for n in moved), right=moved.index(0))
    again = [given_nats[n] for n in moved]
    assert other.loss(again) == question.loss(given_nats)
    assert other.is_right(again) == question.is_right(given_nats)


@given(nats)
def test_shares_are_those_of_a_distribution(given_nats: list[float]) -> None:
    question = weighed(*(1 for _ in given_nats))
    found = question.shares(given_nats)
    assert math.fsum(found) == pytest.approx(1)
    assert all(0 <= share <= 1 for share in found)
    assert math.isfinite(question.loss(given_nats))


def test_the_likelihood_of_a_text_is_compared_by_the_byte() -> None:
    question = asked(a_question(), QUIZ, Options.TEXTS, Digest("k"))
    assert sorted(zip(question.answers, question.sizes, strict=True)) == [
        ("Bern", 4),
        ("Oslo", 4),
        ("Paris", 5),
        ("Rome", 4),
    ]
    by_byte = [2.0 * size for size in question.sizes]
    assert as_float32([question.loss(by_byte)])[0] == 1.0
    empty = a_sample("r", prompt="?", reference="", choices=("", "é🙂"))
    other = asked(empty, QUIZ, Options.TEXTS, Digest("k"))
    assert dict(zip(other.answers, other.sizes, strict=True)) == {"": 1, "é🙂": 6}


def test_a_tie_is_not_a_right_answer_and_a_lost_one_neither() -> None:
    question = weighed(1, 1, 1, right=1)
    assert question.is_right([2.0, 1.0, 3.0])
    assert not question.is_right([1.0, 1.0, 3.0])
    assert not question.is_right([0.5, 1.0, 3.0])
    assert not question.is_right([math.inf, 1.0, 3.0])
    assert math.isnan(question.loss([math.inf, 1.0, 3.0]))


def test_a_question_with_letters_has_each_option_once_behind_its_letter() -> None:
    question = letters("k")
    assert question.answers == ("A", "B", "C", "D")
    body = question.prompt.split("Which city?\n")[1]
    found = [line for line in body.split("\n") if any(line.endswith(o) for o in OPTIONS)]
    assert len(found) == 4
    for letter, line in zip(question.answers, found, strict=True):
        assert letter in line.split(" ")[0]
    assert found[question.right].endswith("Rome")


def test_the_wording_has_every_form() -> None:
    """Attack 26 in the small: nothing is in front of all questions, and nothing behind them."""
    with_letters = {letters(f"k{n}").prompt for n in range(800)}
    with_texts = {
        asked(a_question(), QUIZ, Options.TEXTS, Digest(f"k{n}")).prompt for n in range(400)
    }
    assert len(with_letters) > len(OPENINGS) * len(LETTER_STYLES) * len(LETTER_CLOSINGS)
    assert with_texts == {f"{a}Which city?{b}" for a in OPENINGS for b in TEXT_CLOSINGS}
    for forms, prompts in ((LETTER_CLOSINGS, with_letters), (TEXT_CLOSINGS, with_texts)):
        assert all(any(p.endswith(form) for p in prompts) for form in forms)


@pytest.mark.parametrize("options", Options)
def test_t26_how_a_question_is_asked_differs_from_round_to_round(options: Options) -> None:
    """Attack 26: a model recognises fixed prompts. There are 48 or 16 wordings, all as likely."""
    rounds = [
        a_batch(QUIZ, method=Method.MULTIPLE_CHOICE, samples=(a_question(), a_question(f"row-{n}")))
        for n in range(2, 130)
    ]
    prompts = Counter(
        asked(a_question(), QUIZ, options, question_key([batch])).prompt for batch in rounds
    )
    assert prompts.most_common(1)[0][1] <= 20
    first_words = {prompt[:7] for prompt in prompts}
    assert len(first_words) == len(OPENINGS)


def test_t26_questions_of_one_round_are_worded_differently() -> None:
    samples = tuple(a_question(f"row-{n}") for n in range(64))
    key = question_key([a_batch(QUIZ, method=Method.MULTIPLE_CHOICE, samples=samples)])
    found = Counter(letters(key, sample).prompt for sample in samples)
    assert found.most_common(1)[0][1] <= 4


def test_t27_the_right_option_is_in_each_place_equally_often() -> None:
    """Attack 27: a model that always gives one letter has the loss of guessing, or a larger one."""
    count = 4000
    samples = [a_question(f"row-{n}", right=OPTIONS[0]) for n in range(count)]
    key = question_key([a_batch(QUIZ, method=Method.MULTIPLE_CHOICE, samples=tuple(samples))])
    found = [letters(key, sample) for sample in samples]
    places = Counter(question.right for question in found)
    expected, spread = count / 4, math.sqrt(count * 0.25 * 0.75)
    assert all(abs(places[n] - expected) < 4.5 * spread for n in range(4))
    for always in range(4):
        for sure in (0.0, 0.5, 1.0, 3.0, 20.0):
            nats = [0.0 if n == always else sure for n in range(4)]
            mean = math.fsum(question.loss(nats) for question in found) / count
            assert mean >= 1.0 - 0.05 * min(sure, 1)


@given(st.floats(0, 700), counts)
def test_t27_a_model_to_which_all_options_are_equally_likely_is_a_guess(
    nats: float, k: int
) -> None:
    (loss,) = as_float32([weighed(*(1,) * k, right=k - 1).loss([nats] * k)])
    assert loss == 1.0


@given(st.permutations(OPTIONS), st.sampled_from(OPTIONS), st.sampled_from(Options))
def test_t27_neither_the_answer_nor_the_order_of_the_source_is_in_a_question(
    order: tuple[str, ...], right: str, options: Options
) -> None:
    """A worker gets prompt and answers, in which nothing differs when another option is right."""
    plain, other = a_question(), a_question(right=right, order=tuple(order))
    keys = {
        question_key([a_batch(QUIZ, method=Method.CHOICE_TEXT, samples=(sample,))])
        for sample in (plain, other)
    }
    (key,) = keys
    one, two = (asked(sample, QUIZ, options, key) for sample in (plain, other))
    assert (one.prompt, one.answers, one.sizes) == (two.prompt, two.answers, two.sizes)
    assert two.answers[two.right] == right or options is Options.LETTERS


def test_every_order_of_the_options_occurs() -> None:
    found = {asked(a_question(), QUIZ, Options.TEXTS, Digest(f"k{n}")).answers for n in range(400)}
    assert found == set(permutations(OPTIONS))


def a_quiz(method: Method = Method.MULTIPLE_CHOICE, right: str = "Rome") -> tuple[Sample, ...]:
    return tuple(a_question(f"row-{n}", right=right) for n in range(40))


def test_a_job_has_questions_where_its_method_asks_some() -> None:
    batches = (a_batch(QUIZ, method=Method.MULTIPLE_CHOICE, samples=a_quiz()), a_batch("text"))
    job = a_job(batches=batches)
    found = questions_of(job)
    assert list(found) == list(job.blocks())
    for block, questions in found.items():
        is_quiz = block.task == QUIZ
        assert len(questions) == (block.stop - block.first if is_quiz else 0)
    assert questions_of(replace(job, skip_blocks=2)) == found


def test_a_part_of_a_job_asks_its_questions_as_the_whole_does() -> None:
    batches = (a_batch(QUIZ, method=Method.CHOICE_TEXT, samples=a_quiz()),)
    job = a_job(batches=batches)
    part = second_job(job, [(QUIZ, 3), (QUIZ, 21)])
    whole = [question for block in questions_of(job).values() for question in block]
    assert [q for block in questions_of(part).values() for q in block] == [whole[3], whole[21]]
    assert key_of(part) == key_of(job) == question_key(batches) != question_key(part.batches)


def test_what_a_worker_gets_beside_questions_does_not_depend_on_their_answers() -> None:
    """Else a model could try all answers to few questions until the controls fit."""

    def texts(number: int) -> list[str]:
        samples = tuple(
            a_question(f"row-{n}", right=OPTIONS[(n + number) ** 2 % 11 % 4]) for n in range(40)
        )
        quiz = a_batch(QUIZ, method=Method.MULTIPLE_CHOICE, samples=samples)
        job = a_job(batches=(quiz, a_batch("text")))
        return sorted(" ".join(sorted(c.text)) for held in controls_of(job).values() for c in held)

    found = {tuple(texts(number)) for number in range(40)}
    assert len(found) <= 4  # two bits of the digest decide which kind of control is first


@pytest.mark.parametrize("num", [0, MAX_OPTIONS + 1])
def test_a_row_without_options_or_with_too_many_is_named(num: int) -> None:
    choices = tuple(f"option {n}" for n in range(num))
    samples = (*a_quiz()[:2], a_sample("odd-row", reference="option 1", choices=choices))
    batch = a_batch(QUIZ, method=Method.CHOICE_TEXT, samples=samples)
    said = unaskable(batch)
    assert said == f"row odd-row has {num} options, but choice_text needs 2 to {MAX_OPTIONS}"
    assert unaskable(replace(batch, method=Method.REFERENCE_LOSS)) == ""
    assert unaskable(replace(batch, samples=samples[:2])) == ""
