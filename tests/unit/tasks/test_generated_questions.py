"""Sorting words, closing brackets, arithmetic and lists: right, different and not recognisable."""

from __future__ import annotations

from collections import Counter
from functools import cache
from math import comb, perm

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.data.samples import Sample
from sn37.domain.ids import Seed
from sn37.domain.tasks.arithmetic import LARGEST_NUMBER, LEAST_NUMBERS
from sn37.domain.tasks.brackets import CLOSING, LEAST_BRACKETS, LEAST_OPEN
from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.list_reasoning import FEWEST_LEFT, LEAST_ITEMS, STEPS
from sn37.domain.tasks.questions import Question, draw_questions, is_right
from sn37.domain.tasks.word_list import WORDS
from sn37.domain.tasks.word_sorting import LEAST_WORDS
from sn37.domain.tasks.wording import enumerated
from tests.unit.tasks.solving import MAKERS, check_references, parts

NUM_SAMPLES = 1000  # 10,000 in tests/integration/tasks
every_task = pytest.mark.parametrize("task", MAKERS)


@cache
def drawn(task: str) -> tuple[Sample, ...]:
    return draw_questions(task, MAKERS[task], count=NUM_SAMPLES, seed=Seed(2**200 + 7))


@every_task
def test_references_are_right_and_what_differs_from_them_is_not(task: str) -> None:
    check_references(task, drawn(task))


@every_task
def test_no_problem_comes_twice(task: str) -> None:
    assert len({sample.content_hash for sample in drawn(task)}) == NUM_SAMPLES
    assert len({sample.provenance.row_id for sample in drawn(task)}) == NUM_SAMPLES


@every_task
def test_a_thousand_turns_of_a_generator_never_meet(task: str) -> None:
    """Which would be likely with fewer than 3e5 problems (the birthday bound)."""
    turns = [MAKERS[task](Chance(f"turn {n}")) for n in range(1000)]
    assert len({question.problem for (question,) in turns}) == 1000


@every_task
def test_t26_no_beginning_or_end_of_a_prompt_is_usual(task: str) -> None:
    prompts = [sample.prompt for sample in drawn(task)]
    starts = Counter(prompt[:12] for prompt in prompts)
    ends = Counter(prompt[-12:] for prompt in prompts)
    assert starts.most_common(1)[0][1] < 0.06 * NUM_SAMPLES
    assert ends.most_common(1)[0][1] < 0.12 * NUM_SAMPLES
    assert len(starts) > 40


@every_task
def test_t26_prompts_without_their_data_come_in_hundreds_of_wordings(task: str) -> None:
    bare = Counter(wording(sample.prompt) for sample in drawn(task))
    assert len(bare) > 500
    assert bare.most_common(1)[0][1] < 0.01 * NUM_SAMPLES


def wording(prompt: str) -> str:
    """Return a prompt with its sentences only, in their order."""
    lines = [line for line in prompt.splitlines() if line[:1].isupper() and ":" not in line[:8]]
    return " ".join(line for line in lines if not set(parts(line)) <= set(WORDS))


@every_task
def test_t27_no_answer_fits_a_hundredth_of_the_questions(task: str) -> None:
    answers = Counter(sample.reference for sample in drawn(task))
    assert answers.most_common(1)[0][1] < 0.01 * NUM_SAMPLES


@every_task
def test_t27_an_answer_that_goes_on_repeating_itself_is_wrong(task: str) -> None:
    for sample in drawn(task)[:500]:
        for separator in ("\n", " ", ", ", "\n\n"):
            assert not is_right(sample.reference, separator.join([sample.reference] * 2))


@every_task
def test_t27_the_prompt_as_its_own_answer_is_wrong(task: str) -> None:
    assert not any(is_right(sample.reference, sample.prompt) for sample in drawn(task)[:500])


@every_task
def test_a_smaller_draw_is_the_beginning_of_a_larger_one(task: str) -> None:
    seed = Seed(2**200 + 7)
    assert draw_questions(task, MAKERS[task], count=50, seed=seed) == drawn(task)[:50]


def test_a_problem_that_was_drawn_is_left_out_also_within_its_turn() -> None:
    def make(chance: Chance) -> tuple[Question, ...]:
        return tuple(
            Question(problem=str(n), prompt=f"{n}?", reference="x")
            for n in (chance.below(6), chance.below(6))
        )

    prompts = [s.prompt for s in draw_questions("few", make, count=4, seed=Seed(1))]
    assert len(set(prompts)) == 4


def test_words_are_sorted_by_the_alphabet_and_by_code_point() -> None:
    assert list(WORDS) == sorted(set(WORDS))
    assert all(word.isascii() and word.isalpha() and word.islower() for word in WORDS)


def test_first_letters_do_not_decide_the_order() -> None:
    for sample in drawn("word_sorting")[:1000]:
        initials = Counter(word[0] for word in parts(sample.reference))
        assert sum(n for _, n in initials.most_common(2)) >= len(parts(sample.reference)) / 2


def test_problems_are_as_many_as_is_said_at_the_least_difficulty() -> None:
    assert perm(len(WORDS), LEAST_WORDS) > 4e14
    assert num_walks(LEAST_BRACKETS, LEAST_OPEN + 1) > 1e11
    assert perm(98, LEAST_ITEMS) > 7e11
    assert (LARGEST_NUMBER - 1) ** LEAST_NUMBERS * 2 ** (LEAST_NUMBERS - 1) > 7e12  # sums alone


def num_walks(length: int, num_open: int) -> int:
    """Return how many sequences leave ``num_open`` open: the ballot theorem, times the kinds."""
    rises = (length + num_open) // 2
    paths = comb(length, rises) * (num_open + 1) // (rises + 1)
    return int(paths * len(CLOSING) ** rises)


def test_difficulty_is_in_the_asked_range_and_reaches_its_ends() -> None:
    counts = Counter(len(parts(sample.reference)) for sample in drawn("word_sorting"))
    assert (min(counts), max(counts)) == (6, 30)
    left = Counter(len(parts(sample.reference)) for sample in drawn("brackets"))
    assert (min(left), max(left)) == (4, 14)


def test_every_kind_of_step_is_asked_for_and_leaves_enough() -> None:
    steps = "\n".join(sample.prompt for sample in drawn("list_reasoning"))
    for step in STEPS:
        assert all(w.partition("{n}")[0] in steps for w in step.wordings)
    assert min(len(parts(s.reference)) for s in drawn("list_reasoning")) == FEWEST_LEFT


def test_a_line_of_brackets_may_close_from_the_start() -> None:
    prompts = [s.prompt for s in drawn("brackets")]
    assert any("()" in p or "( )" in p for p in prompts)


@given(st.lists(st.text("abc", min_size=1), min_size=1, max_size=5))
def test_items_are_enumerated_with_one_and(items: list[str]) -> None:
    text = enumerated(items)
    assert text.replace(" and ", ", ").split(", ") == items
    assert text.count(" and ") == (len(items) > 1)
