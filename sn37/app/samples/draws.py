"""Draw of a round's samples, from its frozen pools and its sync block's hash."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sn37.app.samples.sources import Sources
from sn37.app.samples.window_times import window_times
from sn37.app.supervision.deadlines import step
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.samples import Pool
from sn37.domain.data.sampling import draw_with_reserve, pool_digest, round_window, seed_of
from sn37.domain.ids import BlockRef, RoundKey, TaskName
from sn37.domain.round.state import Reserve, TaskDraw
from sn37.domain.schedule.competition import Competition, Freshness, Task
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.chain import Chain


class Draws:
    """Draws samples for all tasks of a round; equal pools give equal samples."""

    def __init__(self, *, chain: Chain, sources: Sources, schedule: Schedule) -> None:
        self._chain = chain
        self._sources = sources
        self._schedule = schedule

    async def draw(
        self, key: RoundKey, rules: Competition, pools: Mapping[TaskName, Pool]
    ) -> tuple[TaskDraw, ...]:
        """Return the samples of every task; ``pools`` are those of live sources.

        If the base model will screen them, they include a reserve, see ``screening``.

        Raises:
            NotEnoughRows, EmptyWindow, DatasetExhausted: The round has too few rows.
            DatasetUnavailable: A static source did not answer.
            ChainUnavailable: The chain does not answer, or does not have an old round's blocks.
        """
        sync = await self._chain.block(key.sync_block)
        return tuple([await self._draw_task(rules, task, sync, pools) for task in rules.tasks])

    async def _draw_task(
        self,
        rules: Competition,
        task: Task,
        sync: BlockRef,
        pools: Mapping[TaskName, Pool],
    ) -> TaskDraw:
        seed = seed_of(
            netuid=self._schedule.netuid, competition=rules.id, task=task.name, block_hash=sync.hash
        )
        reserve: Reserve | None = None
        if task.source.freshness is Freshness.LIVE:
            times = await window_times(
                self._chain, sync_block=sync.number, rules=rules, timing=self._schedule.timing
            )
            pool = pools[task.name].within(
                round_window(
                    sync_time=await self._chain.timestamp(sync),
                    delay_time=times.delay_time,
                    settle_time=times.settle_time,
                    max_age_s=task.source.max_age_s,
                )
            )
            drawn = draw_with_reserve(
                pool,
                task=task.name,
                count=task.num_samples,
                seed=seed,
                signer_share=task.source.signer_share,
                min_signers=task.source.min_signers,
                num_reserve=_num_reserve(rules, task),
            )
            samples = drawn.samples
            if rules.screens(task):
                reserve = Reserve(samples=drawn.reserve, cap=drawn.cap)
        else:
            with step(f"drawing from {task.source.name}"):
                samples = await self._sources.draw(task.source, count=task.num_samples, seed=seed)
            pool = Pool(samples)
        return TaskDraw(
            batch=TaskBatch(task=task.name, method=task.method, samples=samples),
            pool_size=len(pool.samples),
            pool_digest=pool_digest(pool),
            reserve=reserve,
        )


def _num_reserve(rules: Competition, task: Task) -> int:
    if rules.base_model is None or not rules.screens(task):
        return 0
    return math.ceil(rules.base_model.reserve * task.num_samples)
