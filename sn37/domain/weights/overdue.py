"""When weights are overdue."""

from __future__ import annotations

from sn37.domain.ids import Block
from sn37.domain.schedule.schedule import RoundTiming

# 10 minutes: a refused extrinsic is sent again after 25 blocks.
GRACE_BLOCKS = 50


def overdue_since(newest: Block | None, *, begun: Block, timing: RoundTiming) -> Block:
    """Return the block from which on weights are overdue, unless others are set before.

    The weights of a round are sent when it is finished, at the latest at the next sync block, and
    have ``GRACE_BLOCKS`` to be included.

    Args:
        newest: Sync block of the newest weights that the chain has taken; ``None``: none yet.
        begun: Block at which the validator began; its first round is the one after.
    """
    first = timing.next_sync_block(begun) if newest is None else newest + timing.cadence
    return Block(first + timing.cadence + GRACE_BLOCKS)
