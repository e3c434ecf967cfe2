"""Worst loss of a sample, and the number of samples that a model may lose.

One sample convicts no model: a loss that is not finite becomes the worst loss of its unit. Every
finite loss counts for less, so a model gains nothing by emitting NaN where its loss would be
larger. A model that knows nothing is far below it: 13.9 nats per token is the loss of a uniform
distribution over the largest vocabulary that admission allows (2^20), and 8 bits per byte is the
size of the text itself. Only a model that is sure of wrong text comes close to the worst loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from sn37.domain.ids import TaskName
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.methods import LossUnit, Method
from sn37.domain.scoring.jobs import BlockLosses, as_float32

WORST_NATS_PER_TOKEN = 24.0
WORST_BITS_PER_BYTE = 16.0
# For a question with options, where guessing is 1. The largest finite loss is 7.64, of a wrong and
# sure answer to a question with two options, see ``choices``.
WORST_GUESS = 8.0
WORST_SHARE = 2.0  # where a loss is the share of wrong answers, from 0 to 1
# More than one lost sample in twenty convicts a model. A signer of odd rows gains nothing by 15 of
# 300 samples, and no sound model loses 16.
LOST_IN = 20

# With a prescribed tokenizer, and without.
_WORST: Mapping[LossUnit, tuple[float, float]] = MappingProxyType(
    {
        LossUnit.TEXT: (WORST_NATS_PER_TOKEN, WORST_BITS_PER_BYTE),
        LossUnit.GUESS: (WORST_GUESS, WORST_GUESS),
        LossUnit.SHARE: (WORST_SHARE, WORST_SHARE),
    }
)
_LARGEST_SHARE = 1 - 2**-20  # largest share of the worst loss for finite ones; exact in float32


def are_too_many(num_lost: int, total: int) -> bool:
    """True if ``num_lost`` of ``total`` are more than one in twenty."""
    return num_lost * LOST_IN > total


def worst_loss(method: Method, *, prescribed: bool) -> float:
    """Return the value that a non-finite loss counts for.

    Args:
        prescribed: The competition has a tokenizer, so losses are nats per token.
    """
    with_tokenizer, without = _WORST[method.traits.unit]
    return with_tokenizer if prescribed else without


def worst_losses(competition: Competition) -> Mapping[TaskName, float]:
    """Return the worst loss of every task."""
    prescribed = competition.tokenizer is not None
    return {t.name: worst_loss(t.method, prescribed=prescribed) for t in competition.tasks}


def bounded(losses: BlockLosses, competition: Competition) -> BlockLosses:
    """Return the losses as they count: finite, and the worst loss where float32 has no value."""
    worst = _worst(losses, competition)
    largest = worst * _LARGEST_SHARE
    held = zip(losses.losses, as_float32(losses.losses), strict=True)
    counted = (min(x, largest) if math.isfinite(x32) else worst for x, x32 in held)
    return replace(losses, losses=tuple(counted))


def num_lost(blocks: Iterable[BlockLosses], competition: Competition) -> int:
    """Return how many losses were not finite; the blocks must be ``bounded``."""
    return sum(
        not x < worst  # a journal of an older version may contain NaN
        for block in blocks
        for worst in (_worst(block, competition),)
        for x in block.losses
    )


def loses_too_many(blocks: Sequence[BlockLosses], competition: Competition) -> bool:
    """True if more than one in twenty of the round's samples are already lost.

    The share is of all samples that the competition draws, scored or not. So once true it stays
    true.
    """
    total = sum(task.num_samples for task in competition.tasks)
    return are_too_many(num_lost(blocks, competition), total)


def _worst(block: BlockLosses, competition: Competition) -> float:
    return worst_losses(competition)[block.block.task]
