"""Checks of a worker's losses for one block: complete, and no more than requested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sn37.adapters.scoring.messages import BlockReply, Weighed
from sn37.domain.data.batches import SampleBlock
from sn37.domain.scoring.choices import ChoiceQuestion
from sn37.domain.scoring.controls import Control
from sn37.domain.scoring.jobs import BlockLosses, ControlLoss, ScoringJob, as_float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Facts on a block that the parent knows and its worker does not."""

    questions: Sequence[ChoiceQuestion]
    controls: Sequence[Control]


def answers(told: BlockReply, block: SampleBlock, job: ScoringJob, asked: Asked) -> bool:
    """True if there is a loss for each sample, over no more tokens than the windows hold.

    For a block of questions there must be one for each answer, in a message of its own.
    """
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
