"""Checks of a worker's losses for one block: complete, and no more than requested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sn37.adapters.scoring.messages import Answered, BlockReply, Weighed
from sn37.domain.data.batches import SampleBlock
from sn37.domain.data.samples import Sample
from sn37.domain.scoring.choices import ChoiceQuestion, questions_of
from sn37.domain.scoring.controls import Control, controls_of
from sn37.domain.scoring.generated_answers import (
    BYTES_PER_TOKEN,
    judged_choices,
    judged_instructions,
)
from sn37.domain.scoring.jobs import BlockLosses, ControlLoss, ScoringJob, as_float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Facts on a block that the parent knows and its worker does not.

    Attributes:
        questions: With options, where the method has them.
        samples: Of the block.
        budget: Most tokens of a generated answer; 0 where answers are not generated.
    """

    questions: Sequence[ChoiceQuestion]
    controls: Sequence[Control]
    samples: Sequence[Sample]
    budget: int


def asked_of(job: ScoringJob) -> Mapping[SampleBlock, Asked]:
    """Return the facts on each block of a job in the order of scoring, skipped ones included."""
    questions, controls = questions_of(job), controls_of(job)
    samples = {batch.task: batch.samples for batch in job.batches}
    return {
        block: Asked(
            questions=questions[block],
            controls=controls[block],
            samples=samples[block.task][block.first : block.stop],
            budget=job.budgets.get(block.task, 0),
        )
        for block in job.blocks()
    }


def answers(told: BlockReply, block: SampleBlock, job: ScoringJob, asked: Asked) -> bool:
    """True if there is a loss for each sample, over no more tokens than the windows hold.

    For a block of questions there must be one for each answer, in a message of its own. For a
    block of prompts there must be an answer to each, of no more tokens and bytes than its budget.
    """
    if isinstance(told, Answered):
        return asked.budget > 0 and _are_within_budget(told, asked)
    if asked.budget:
        return False
    if isinstance(told, Weighed):
        nums = [len(question.answers) for question in asked.questions]
        is_complete = bool(nums) and [len(nats) for nats in told.nats] == nums
        return is_complete and told.tokens <= sum(nums) * job.constraints.max_tokens
    num_samples = block.stop - block.first
    is_complete = (
        not asked.questions
        and len(told.losses) == num_samples
        and len(told.controls) == len(asked.controls)
    )
    return is_complete and told.tokens <= num_samples * job.constraints.max_tokens


def measured(told: BlockReply, block: SampleBlock, asked: Asked, seconds: float) -> BlockLosses:
    """Return the block with its controls, whose kinds and entropies the worker does not know.

    Nor does it know which option of a question is right.
    """
    if isinstance(told, Answered):
        return _judged(told, block, asked, seconds)
    if isinstance(told, Weighed):
        answered = list(zip(asked.questions, told.nats, strict=True))
        return BlockLosses(
            block=block,
            losses=tuple(as_float32(question.loss(nats) for question, nats in answered)),
            tokens=told.tokens,
            seconds=seconds,
            num_right=sum(question.is_right(nats) for question, nats in answered),
        )
    return BlockLosses(
        block=block,
        losses=told.losses,
        tokens=told.tokens,
        seconds=seconds,
        controls=tuple(
            ControlLoss(control.kind, control.entropy_bits, bits)
            for control, bits in zip(asked.controls, told.controls, strict=True)
        ),
    )


def _are_within_budget(told: Answered, asked: Asked) -> bool:
    num, budget = len(asked.samples), asked.budget
    most_bytes = BYTES_PER_TOKEN * budget
    return (
        len(told.texts) == num
        and all(len(text.encode()) <= most_bytes for text in told.texts)
        and told.tokens <= num * budget
        and told.near_ties <= num * (budget + 1)  # the step that ends an answer may be one
    )


def _judged(told: Answered, block: SampleBlock, asked: Asked, seconds: float) -> BlockLosses:
    if asked.questions:
        found = judged_choices(asked.questions, told.texts, near_ties=told.near_ties)
    else:
        found = judged_instructions(asked.samples, told.texts, near_ties=told.near_ties)
    return BlockLosses(
        block=block,
        losses=tuple(as_float32(found.losses)),
        tokens=told.tokens,
        seconds=seconds,
        num_right=found.num_right,
        answers=found.signals,
    )
