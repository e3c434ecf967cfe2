"""Actor that reads the live sources and freezes their rows before the seed exists."""

from __future__ import annotations

from sn37.app.actors.spare_time import SpareTime
from sn37.app.samples.pool_requests import live_tasks, pool_request
from sn37.app.samples.sources import Sources
from sn37.app.supervision.deadlines import step
from sn37.app.supervision.heads import Subscription
from sn37.domain.data.samples import EmptyWindow
from sn37.domain.data.vetting import Collected
from sn37.domain.events import Degraded, Dependency, PoolFrozen, RowsSetAside
from sn37.domain.ids import (
    BLOCK_SECONDS,
    Block,
    CompetitionId,
    RoundKey,
    TaskName,
)
from sn37.domain.printable import one_line
from sn37.domain.schedule.competition import Competition, Task
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.chain import Chain
from sn37.ports.errors import DatasetUnavailable
from sn37.ports.state_store import StateStore
from sn37.ports.telemetry import EventSink

SHOWN_ROWS = 20  # ids per reason in the event about rows set aside


class Freezer:
    """Actor that collects the pools of the next round in the last blocks before its sync block.

    A pool that is not complete when that block exists is discarded, because rows added after
    the seed is known must not count (attack 42). The validator then sits the round out.
    """

    def __init__(
        self,
        *,
        chain: Chain,
        sources: Sources,
        store: StateStore,
        heads: Subscription,
        schedule: Schedule,
        sink: EventSink,
        spare: SpareTime | None = None,
    ) -> None:
        self._chain = chain
        self._sources = sources
        self._store = store
        self._spare = spare or SpareTime()
        self._heads = heads
        self._schedule = schedule
        self._timing = schedule.timing
        self._sink = sink
        self._frozen: dict[CompetitionId, Block] = {}  # newest sync block

    async def run(self) -> None:
        async for head in self._heads:
            sync = self._timing.next_sync_block(head.number)
            if head.number < sync - self._timing.freeze_lead:
                continue
            for rules in self._schedule.at(sync):
                key = RoundKey(rules.id, sync)
                if self._frozen.get(rules.id) != sync and live_tasks(rules):
                    await self._freeze(key, rules)

    async def _freeze(self, key: RoundKey, rules: Competition) -> None:
        if await self._store.pools(key):
            self._frozen[rules.id] = key.sync_block  # by this validator, before it was restarted
            return
        try:
            async with self._spare.withheld():
                collected = {
                    task.name: await self._collect(key.sync_block, rules, task)
                    for task in live_tasks(rules)
                }
        except (DatasetUnavailable, EmptyWindow) as error:
            retry_in_s = float(self._blocks_to_next_read(key.sync_block) * BLOCK_SECONDS)
            self._sink.emit(
                Degraded(what=Dependency.DATA_SOURCE, error=str(error), retry_in_s=retry_in_s)
            )
            return
        head = await self._chain.head()
        # Another actor may have seen the sync block before this answer arrived.
        newest = max(r.number for r in (head, self._heads.newest) if r is not None)
        if newest >= key.sync_block:
            return  # too late
        await self._store.freeze_pools(key, {task: c.pool for task, c in collected.items()})
        self._frozen[rules.id] = key.sync_block
        for task, found in collected.items():
            self._tell(key, task, found)

    def _blocks_to_next_read(self, sync: Block) -> int:
        """Return the wait for the next read: one block, or until the next round's last blocks."""
        newest = self._heads.newest
        if newest is None or newest.number + 1 < sync:
            return 1
        return sync + self._timing.cadence - self._timing.freeze_lead - newest.number

    async def _collect(self, sync: Block, rules: Competition, task: Task) -> Collected:
        request = await pool_request(
            self._chain, sync_block=sync, rules=rules, source=task.source, timing=self._timing
        )
        with step(f"reading {task.source.name}"):
            return await self._sources.collect(task.source, request)

    def _tell(self, key: RoundKey, task: TaskName, found: Collected) -> None:
        for rows in found.set_aside:
            self._sink.emit(
                RowsSetAside(
                    round=key,
                    task=task,
                    why=one_line(rows.why),
                    num_rows=len(rows.row_ids),
                    row_ids=tuple(map(one_line, rows.row_ids[:SHOWN_ROWS])),
                )
            )
        self._sink.emit(PoolFrozen(round=key, task=task, num_rows=len(found.pool.samples)))
