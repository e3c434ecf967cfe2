"""The largest loss that a sample can have, and how many a model may lose.

One sample convicts nobody: a loss that is not finite becomes the worst loss of its unit. Every
finite loss counts for less than that, so that a model can gain nothing by emitting NaN where
its loss would be larger. What knows nothing at all is far below: 13.9 nats per token is a
uniform distribution over the largest vocabulary that admission lets in (2^20), 8 bits a byte
is a text that is written down. Only a model that is sure of what is wrong comes near.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sn37.domain.ids import TaskName
from sn37.domain.schedule.competition import Competition, Method
from sn37.domain.scoring.jobs import BlockLosses, as_float32

WORST_NATS_PER_TOKEN = 24.0
WORST_BITS_PER_BYTE = 16.0
WORST_SHARE = 2.0  # where a loss is a share of what is wrong, from 0 to 1
# More than one lost in twenty convicts a model: 15 of 300 samples are worth nothing to whoever
# writes odd rows, and no sound model loses 16.
LOST_IN = 20

_LARGEST_SHARE = 1 - 2**-20  # of the worst loss, that a finite loss counts for; exact in float32


def are_too_many(num_lost: int, total: int) -> bool:
    """Whether ``num_lost`` of ``total`` are more than one in twenty."""
    return num_lost * LOST_IN > total


def worst_loss(method: Method, *, prescribed: bool) -> float:
    """The loss of a sample whose loss is not finite.

    Args:
        prescribed: Whether the competition has a tokenizer, and losses are nats per token.
    """
    if method in (Method.REFERENCE_LOSS, Method.TEXT_LOSS):
        return WORST_NATS_PER_TOKEN if prescribed else WORST_BITS_PER_BYTE
    return WORST_SHARE


def worst_losses(competition: Competition) -> Mapping[TaskName, float]:
    """The worst loss of every task."""
    prescribed = competition.tokenizer is not None
    return {t.name: worst_loss(t.method, prescribed=prescribed) for t in competition.tasks}


def bounded(losses: BlockLosses, competition: Competition) -> BlockLosses:
    """Losses as they count: all finite, and the worst one where float32 holds none."""
    worst = _worst(losses, competition)
    largest = worst * _LARGEST_SHARE
    held = zip(losses.losses, as_float32(losses.losses), strict=True)
    counted = (min(x, largest) if math.isfinite(x32) else worst for x, x32 in held)
    return replace(losses, losses=tuple(counted))


def num_lost(blocks: Iterable[BlockLosses], competition: Competition) -> int:
    """How many losses were not finite, of blocks that are ``bounded``."""
    return sum(
        not x < worst  # a journal of an older version may hold NaN
        for block in blocks
        for worst in (_worst(block, competition),)
        for x in block.losses
    )


def loses_too_many(blocks: Sequence[BlockLosses], competition: Competition) -> bool:
    """Whether more than one in twenty of the round's samples are lost already.

    The share is of all samples that the competition draws, scored or not yet: once true it
    stays true, whichever block it was that made it so.
    """
    total = sum(task.num_samples for task in competition.tasks)
    return are_too_many(num_lost(blocks, competition), total)


def _worst(block: BlockLosses, competition: Competition) -> float:
    return worst_losses(competition)[block.block.task]
