"""Times of the chain that bound the window of a live source's rows in a round."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sn37.app.supervision.deadlines import step
from sn37.domain.ids import Block
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import RoundTiming
from sn37.ports.chain import Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowTimes:
    """T(b - delay) and T(b - settle) of a sync block b; block 0 replaces negative blocks."""

    delay_time: datetime
    settle_time: datetime


async def window_times(
    chain: Chain, *, sync_block: Block, rules: Competition, timing: RoundTiming
) -> WindowTimes:
    """Read both times from the chain; they are known ``settle`` blocks before the sync block."""
    return WindowTimes(
        delay_time=await _time(chain, sync_block - rules.delay_blocks),
        settle_time=await _time(chain, sync_block - timing.settle),
    )


async def _time(chain: Chain, number: int) -> datetime:
    with step(f"reading the time of block {number}"):
        return await chain.timestamp(await chain.block(Block(max(number, 0))))
