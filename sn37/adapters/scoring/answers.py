"""Checks of a worker's losses for one block: complete, and no more than requested."""

from __future__ import annotations

from collections.abc import Sequence

from sn37.adapters.scoring.messages import Scored
from sn37.domain.data.batches import SampleBlock
from sn37.domain.scoring.controls import Control
from sn37.domain.scoring.jobs import BlockLosses, ControlLoss, ScoringJob


def answers(told: Scored, block: SampleBlock, job: ScoringJob, controls: Sequence[Control]) -> bool:
    """True if there is a loss for each sample, over no more tokens than the windows hold."""
    num_samples = block.stop - block.first
    most_tokens = num_samples * job.constraints.max_tokens
    is_complete = len(told.losses) == num_samples and len(told.controls) == len(controls)
    return is_complete and told.tokens <= most_tokens


def measured(
    told: Scored, block: SampleBlock, controls: Sequence[Control], seconds: float
) -> BlockLosses:
    """Return the block with its controls, whose kinds and entropies the worker does not know."""
    return BlockLosses(
        block=block,
        losses=told.losses,
        tokens=told.tokens,
        seconds=seconds,
        controls=tuple(
            ControlLoss(control.kind, control.entropy_bits, bits)
            for control, bits in zip(controls, told.controls, strict=True)
        ),
    )
