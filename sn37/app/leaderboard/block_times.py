"""Times of blocks, estimated from the blocks whose time is known."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta

from sn37.domain.ids import BLOCK_SECONDS, Block

_BLOCK = timedelta(seconds=BLOCK_SECONDS)


class BlockTimes:
    """Times of blocks between, before and after known ones.

    Between two known blocks time is linear. Before and after all of them a block takes 12 seconds,
    which the chain never undercuts.
    """

    def __init__(self, known: Iterable[tuple[Block, datetime]] = ()) -> None:
        self._known = sorted(dict(known).items())
        self._blocks = [block for block, _ in self._known]

    @property
    def newest(self) -> Block | None:
        """The newest known block."""
        return self._blocks[-1] if self._blocks else None

    def at(self, block: int) -> datetime | None:
        """Return the time of a block to the second; ``None`` if no block is known."""
        if not self._known:
            return None
        after = bisect_right(self._blocks, block)
        if after in (0, len(self._known)):
            nearest, time = self._known[0 if after == 0 else -1]
            try:
                return (time + (block - nearest) * _BLOCK).replace(microsecond=0)
            except OverflowError:
                return None
        (low, begin), (high, end) = self._known[after - 1 : after + 1]
        return (begin + (end - begin) * ((block - low) / (high - low))).replace(microsecond=0)
