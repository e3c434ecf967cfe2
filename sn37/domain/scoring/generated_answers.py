"""Losses of generated answers, judged by the validator: a worker returns texts and nothing else.

Answers to the prompts of one block are judged together. Questions of the same rules, which a source
draws in pairs, are always in one block, because blocks begin at even places and a task has an even
number of samples. A model answers each prompt without knowing its block, so an answer that it
keeps for many prompts shows within each block as well as across blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sn37.domain.data.samples import Sample
from sn37.domain.scoring.answer_signals import AnswerSignals, example_of
from sn37.domain.scoring.choices import ChoiceQuestion
from sn37.domain.tasks.answers import AnswerFault, judge
from sn37.domain.tasks.instruction_task import InstructionTask, is_instruction_task
from sn37.domain.tasks.letters import named_option

# Bytes of an answer for each token of its budget. English has 4 to 5; only vocabularies made for it
# have texts of some length with more than 16.
BYTES_PER_TOKEN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAnswers:
    """Losses of the answers of one block, in order, from 0.0 to 1.0.

    ``num_right`` counts right answers to questions with options; ``None`` where there are none.
    """

    losses: tuple[float, ...]
    signals: AnswerSignals
    num_right: int | None = None


def judged_instructions(
    samples: Sequence[Sample], answers: Sequence[str], *, near_ties: int
) -> JudgedAnswers:
    """Return for each answer the share of the sample's rules that it does not follow.

    Raises:
        ValueError: The numbers differ, or a reference is not the rules of a question.
    """
    tasks = [InstructionTask.from_text(sample.reference) for sample in samples]
    verdicts = judge(tasks, answers)
    faults = [verdict.fault for verdict in verdicts]
    return JudgedAnswers(
        losses=tuple(verdict.share_not_followed for verdict in verdicts),
        signals=AnswerSignals(
            num_answers=len(answers),
            empty=faults.count(AnswerFault.EMPTY),
            repetitive=faults.count(AnswerFault.REPETITIVE),
            canned=faults.count(AnswerFault.CANNED),
            near_ties=near_ties,
            example=example_of(answers),
        ),
    )


def judged_choices(
    questions: Sequence[ChoiceQuestion], answers: Sequence[str], *, near_ties: int
) -> JudgedAnswers:
    """Return 0.0 for each answer that names the right option, else 1.0.

    The same letter may be right for many questions, so equal answers are not a fault.

    Raises:
        ValueError: The numbers differ.
    """
    right = [
        named_option(answer, len(question.answers)) == question.right
        for question, answer in zip(questions, answers, strict=True)
    ]
    return JudgedAnswers(
        losses=tuple(0.0 if is_right else 1.0 for is_right in right),
        signals=AnswerSignals(
            num_answers=len(answers),
            empty=sum(not answer.strip() for answer in answers),
            repetitive=0,
            canned=0,
            near_ties=near_ties,
            example=example_of(answers),
        ),
        num_right=sum(right),
    )


def not_judgeable(samples: Sequence[Sample]) -> str:
    """Return why a sample has no rules to be judged by; empty if all have them."""
    for sample in samples:
        if not is_instruction_task(sample.reference):
            return f"row {sample.provenance.row_id}: its reference is not the rules of a question"
    return ""
