"""Generated answers become losses, and signals beside them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.data.batches import BLOCK_SAMPLES, interleave
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Seed, TaskName
from sn37.domain.scoring.answer_signals import (
    LONGEST_EXAMPLE,
    NUM_EXAMPLES,
    AnswerSignals,
    example_of,
    report_of,
)
from sn37.domain.scoring.choices import ChoiceQuestion
from sn37.domain.scoring.generated_answers import (
    judged_choices,
    judged_instructions,
    not_judgeable,
)
from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.instruction_task import InstructionTask
from sn37.domain.tasks.instructions import instructions
from sn37.domain.tasks.questions import Question, draw_questions
from sn37.domain.tasks.rules import RuleKind
from sn37.testing.builders.samples import a_sample

K = RuleKind
OF_SUBJECT = {K.INCLUDES, K.EXCLUDES, K.KEYWORD_AT_LEAST, K.KEYWORD_AT_MOST}


def drawn(count: int, seed: int = 7) -> tuple[Sample, ...]:
    def make(chance: Chance) -> tuple[Question, ...]:
        return instructions(chance, least_rules=3, most_rules=7)

    return draw_questions("if_eval", make, count=count, seed=Seed(seed))


@pytest.fixture(scope="module")
def samples() -> tuple[Sample, ...]:
    return drawn(64)


@pytest.fixture(scope="module")
def block(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    return samples[:BLOCK_SAMPLES]


def right_answers(samples: tuple[Sample, ...]) -> list[str]:
    return [InstructionTask.from_text(sample.reference).answer for sample in samples]


def some_signals(**given: object) -> AnswerSignals:
    counts = {"num_answers": 4, "empty": 0, "repetitive": 0, "canned": 0, "near_ties": 0}
    return AnswerSignals(**{**counts, **given})  # type: ignore[arg-type]


def test_right_answers_lose_nothing_and_have_no_faults(block: tuple[Sample, ...]) -> None:
    judged = judged_instructions(block, right_answers(block), near_ties=5)
    assert judged.losses == (0.0,) * BLOCK_SAMPLES
    assert judged.signals == AnswerSignals(
        num_answers=BLOCK_SAMPLES,
        empty=0,
        repetitive=0,
        canned=0,
        near_ties=5,
        example=judged.signals.example,
    )
    assert judged.signals.example


def test_an_answer_to_another_question_follows_some_rules_at_most(
    block: tuple[Sample, ...],
) -> None:
    judged = judged_instructions(block, right_answers(block)[::-1], near_ties=0)
    assert all(0 < loss <= 1 for loss in judged.losses)


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_t27_empty_answers_follow_no_rule_and_are_counted(
    empty: str, block: tuple[Sample, ...]
) -> None:
    judged = judged_instructions(block, [empty] * BLOCK_SAMPLES, near_ties=0)
    assert judged.losses == (1.0,) * BLOCK_SAMPLES
    assert (judged.signals.empty, judged.signals.example) == (BLOCK_SAMPLES, "")


def test_t27_answers_that_repeat_themselves_follow_no_rule_and_are_counted(
    block: tuple[Sample, ...],
) -> None:
    judged = judged_instructions(
        block, [f"word{n} " * 60 for n in range(BLOCK_SAMPLES)], near_ties=0
    )
    assert judged.losses == (1.0,) * BLOCK_SAMPLES
    assert judged.signals.repetitive == BLOCK_SAMPLES


def test_t27_one_answer_to_both_questions_of_a_pair_follows_no_rule(
    block: tuple[Sample, ...],
) -> None:
    answers = right_answers(block)
    answers[1::2] = answers[::2]
    judged = judged_instructions(block, answers, near_ties=0)
    assert judged.losses == (1.0,) * BLOCK_SAMPLES
    assert judged.signals.canned == BLOCK_SAMPLES


def test_t27_a_model_with_one_answer_for_every_prompt_loses_all_in_every_block(
    block: tuple[Sample, ...], samples: tuple[Sample, ...]
) -> None:
    """It does not know the block of a prompt, so it cannot spread its answer over blocks."""
    (answer, *_) = right_answers(block)
    for first in range(0, len(samples), BLOCK_SAMPLES):
        block = samples[first : first + BLOCK_SAMPLES]
        judged = judged_instructions(block, [answer] * len(block), near_ties=0)
        assert judged.losses == (1.0,) * len(block)


def test_the_questions_of_a_pair_are_in_one_block() -> None:
    for num_samples in range(2, 70, 2):
        for block in interleave(((TaskName("if_eval"), num_samples),)):
            assert block.first % 2 == block.stop % 2 == 0


def test_rules_of_a_pair_are_equal_but_for_the_subject(samples: tuple[Sample, ...]) -> None:
    rules = [InstructionTask.from_text(sample.reference).rules for sample in samples]
    for one, other in zip(rules[::2], rules[1::2], strict=True):
        assert [r.kind for r in one] == [r.kind for r in other]
        assert [r for r in one if r.kind not in OF_SUBJECT] == [
            r for r in other if r.kind not in OF_SUBJECT
        ]


def test_a_number_of_answers_that_is_not_that_of_the_samples_is_refused(
    block: tuple[Sample, ...],
) -> None:
    with pytest.raises(ValueError, match="zip"):
        judged_instructions(block, right_answers(block)[1:], near_ties=0)


def test_a_row_without_rules_is_named(samples: tuple[Sample, ...]) -> None:
    assert not not_judgeable(samples)
    assert "row odd: its reference is not the rules" in not_judgeable(
        (*samples, a_sample("odd", reference="{}"))
    )


@pytest.mark.parametrize("counts", [{"empty": 5}, {"empty": 2, "canned": 3}, {"near_ties": -1}])
def test_impossible_counts_are_refused(counts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="of 4 answers"):
        some_signals(**counts)


@pytest.mark.parametrize("example", ["two\nlines", "\x1b[31m", "x" * (LONGEST_EXAMPLE + 1)])
def test_an_example_that_a_terminal_might_obey_is_refused(example: str) -> None:
    with pytest.raises(ValueError, match="one printable line"):
        some_signals(example=example)


def test_an_example_is_one_printable_line_of_an_answer_that_says_something() -> None:
    assert example_of(["", " \n", "one\n\x1b[31mtwo"]) == "one \ufffd[31mtwo"
    assert example_of(["y" * 900]) == "y" * LONGEST_EXAMPLE
    assert example_of([]) == ""
    assert some_signals(example=example_of(["a\u202eb \n"])).example == "a\ufffdb"


@given(st.lists(st.text(st.sampled_from("ab \n\x00\u3000") | st.characters(), max_size=400)))
def test_any_answer_has_an_example_that_may_be_shown(answers: list[str]) -> None:
    shown = some_signals(example=example_of(answers)).example
    assert len(shown) <= LONGEST_EXAMPLE
    assert shown.isprintable()


def test_the_signals_of_blocks_are_added() -> None:
    report = report_of(
        (
            (some_signals(empty=1, near_ties=2), 40),
            *((some_signals(repetitive=1, canned=1, example=f"e{n}"), 8) for n in range(4)),
        )
    )
    assert (report.num_answers, report.empty, report.repetitive) == (20, 1, 4)
    assert (report.canned, report.near_ties, report.mean_tokens) == (4, 2, 72 / 20)
    assert report.examples == ("e0", "e1", "e2")
    assert len(report.examples) == NUM_EXAMPLES


def test_no_blocks_have_no_answers() -> None:
    report = report_of(())
    assert (report.num_answers, report.mean_tokens, report.examples) == (0, 0.0, ())


def test_an_answer_that_names_the_right_letter_loses_nothing() -> None:
    question = ChoiceQuestion(prompt="?", answers=("A", "B", "C"), sizes=(1, 1, 1), right=1)
    told = ["B.", "(B) and not A", "A", "", "The answer is B", "D."]
    judged = judged_choices([question] * len(told), told, near_ties=2)
    assert judged.losses == (0.0, 0.0, 1.0, 1.0, 0.0, 1.0)
    assert judged.num_right == 3
    assert (judged.signals.empty, judged.signals.near_ties) == (1, 2)
    assert judged.signals.canned == judged.signals.repetitive == 0
    with pytest.raises(ValueError, match="zip"):
        judged_choices([question], [], near_ties=0)
