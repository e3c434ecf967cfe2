"""Requests to live sources before a round, and the signers that are trusted."""

from __future__ import annotations

from sn37.app.samples.window_times import window_times
from sn37.domain.data.samples import PoolRequest
from sn37.domain.data.sampling import collect_window
from sn37.domain.ids import (
    Block,
    BlockRef,
    Hotkey,
    Netuid,
)
from sn37.domain.metagraph import RAO_PER_TAO
from sn37.domain.schedule.competition import Competition, Freshness, Source, Task
from sn37.domain.schedule.schedule import RoundTiming
from sn37.ports.chain import Chain


def live_tasks(rules: Competition) -> tuple[Task, ...]:
    """Return the tasks whose rows must be frozen before the sync block."""
    return tuple(t for t in rules.tasks if t.source.freshness is Freshness.LIVE)


async def pool_request(
    chain: Chain, *, sync_block: Block, rules: Competition, source: Source, timing: RoundTiming
) -> PoolRequest:
    """Return the request to a live source before a sync block: its window and trusted signers.

    It is known ``freeze_lead`` blocks before the sync block, and does not change after that.
    """
    lead = await chain.block(Block(max(sync_block - timing.freeze_lead, 0)))
    times = await window_times(chain, sync_block=sync_block, rules=rules, timing=timing)
    return PoolRequest(
        window=collect_window(
            lead_time=await chain.timestamp(lead),
            blocks_to_sync=timing.freeze_lead,
            delay_time=times.delay_time,
            settle_time=times.settle_time,
            max_age_s=source.max_age_s,
        ),
        trusted=await trusted_at(chain, source, lead),
        salt=lead.hash,
    )


async def trusted_at(chain: Chain, source: Source, at: BlockRef) -> frozenset[Hotkey] | None:
    """Return a source's signers by the chain at a block; ``None`` if its rows are not signed."""
    if source.signers_netuid is None:
        return None
    members = await chain.metagraph(at, Netuid(source.signers_netuid))
    return members.trusted_signers(min_stake_rao=source.min_stake_tao * RAO_PER_TAO)
