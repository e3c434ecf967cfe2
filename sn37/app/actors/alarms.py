"""Actor that reports what does not happen: weights that are overdue, a disk that fills up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.rounds.weights_due import warm_up
from sn37.app.supervision.deadlines import step
from sn37.app.supervision.heads import Subscription
from sn37.domain.disk.free_space import LOW_BYTES
from sn37.domain.events import DiskLow, Recovered, WeightsOverdue
from sn37.domain.ids import Block
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.weights.overdue import GRACE_BLOCKS, overdue_since
from sn37.ports.telemetry import EventSink

DISK_BLOCKS = 25  # 5 minutes between two looks
DISK = "disk"


class Alarms:
    """Actor that reports overdue weights and a full disk, and that the disk has room again.

    Args:
        free_bytes: Free space for the state and the models; ``None`` if not known.
    """

    def __init__(
        self,
        *,
        keeper: StateKeeper,
        heads: Subscription,
        schedule: Schedule,
        sink: EventSink,
        free_bytes: Callable[[], int | None],
        offline: bool = False,
    ) -> None:
        self._keeper = keeper
        self._heads = heads
        self._schedule = schedule
        self._sink = sink
        self._free_bytes = free_bytes
        self._offline = offline
        self._first: Block | None = None  # first head that this process saw
        self._next_report = Block(0)  # of overdue weights
        self._next_look = Block(0)  # at the disk
        self._is_low = False

    async def run(self) -> None:
        async for head in self._heads:
            if self._first is None:
                self._first = head.number
            if not self._offline:
                self._look_at_weights(head.number, self._first)
            if head.number >= self._next_look:
                self._next_look = Block(head.number + DISK_BLOCKS)
                with step("looking at the disk"):
                    self._look_at_disk(await asyncio.to_thread(self._free_bytes))

    def _look_at_weights(self, head: Block, first: Block) -> None:
        """Report overdue weights, but not before this process could have sent them."""
        state, timing = self._keeper.state, self._schedule.timing
        sent = (w.sync_block for w in reversed(state.weights) if w.extrinsic is not None)
        begun = first if state.beginning is None else state.beginning.block
        newest = next(sent, None)
        since = max(overdue_since(newest, begun=begun, timing=timing), Block(first + GRACE_BLOCKS))
        if head < max(since, self._next_report) or warm_up(state, self._schedule, head):
            return
        self._next_report = Block(head + timing.cadence)
        self._sink.emit(WeightsOverdue(newest=newest, since=since))

    def _look_at_disk(self, free_bytes: int | None) -> None:
        if free_bytes is None:
            return
        if free_bytes < LOW_BYTES and not self._is_low:
            self._is_low = True
            self._sink.emit(DiskLow(free_bytes=free_bytes))
        elif free_bytes >= 2 * LOW_BYTES and self._is_low:
            self._is_low = False
            self._sink.emit(Recovered(what=DISK))
