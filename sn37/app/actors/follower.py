"""Actor that follows the chain and records new commitments."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from sn37.app.rounds.entry_chooser import submissions_of
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.deadlines import step
from sn37.app.supervision.heads import Heads
from sn37.app.supervision.health import MAX_HEAD_AGE_S
from sn37.domain.events import HeadAdvanced, SubmissionSeen, ViewAged
from sn37.domain.ids import BlockRef
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.commitment import CommitmentBook
from sn37.ports.chain import Chain
from sn37.ports.clock import Clock
from sn37.ports.errors import ChainUnavailable
from sn37.ports.telemetry import EventSink

log = logging.getLogger(__name__)

LOOK_S = 60.0  # between two looks at the head of a chain that sends no block
FAR_BEHIND = 50  # blocks, 10 minutes


class Follower:
    """Actor that reads the commitments of every new head, then publishes the head.

    It does nothing slow, so it sees a commitment within one block of its finalization while
    other actors fetch and score.

    If it gets no block for ten minutes, it asks the chain for its head. If the chain is far ahead,
    the wait becomes a step with a deadline. The follower is not at fault if the chain has halted
    or does not answer, or if a simulated chain waits for a long evaluation; these may last for any
    time.
    """

    def __init__(
        self,
        *,
        chain: Chain,
        keeper: StateKeeper,
        heads: Heads,
        schedule: Schedule,
        clock: Clock,
        sink: EventSink,
    ) -> None:
        self._chain = chain
        self._keeper = keeper
        self._heads = heads
        self._timing = schedule.timing
        self._clock = clock
        self._sink = sink
        self._read_at = 0.0  # monotonic time at which the newest head was read
        self._book: CommitmentBook | None = None

    async def run(self) -> None:
        try:
            await self._follow()
        except ChainUnavailable:
            if (head := self._heads.newest) is not None:
                age_s = self._clock.monotonic() - self._read_at
                self._sink.emit(ViewAged(head=head, age_s=age_s))
            raise

    async def _follow(self) -> None:
        blocks = self._chain.blocks()
        while (head := await self._next(blocks)) is not None:
            with step(f"reading block {head.number}"):
                await self._read(head)
                self._read_at = self._clock.monotonic()
                self._sink.emit(
                    HeadAdvanced(head=head, next_sync=self._timing.next_sync_block(head.number))
                )
                self._heads.publish(head)

    async def _next(self, blocks: AsyncIterator[BlockRef]) -> BlockRef | None:
        """Wait for the next block; ``None`` if there will be none."""
        waiting = asyncio.ensure_future(_first(blocks))
        try:
            done, _ = await asyncio.wait([waiting], timeout=MAX_HEAD_AGE_S)
            while not done:
                followed = self._heads.newest
                if followed is not None and await self._is_ahead(followed):
                    with step(f"waiting for a block after {followed.number}, which the chain has"):
                        await asyncio.wait([waiting])
                done, _ = await asyncio.wait([waiting], timeout=LOOK_S)
            return waiting.result()
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)

    async def _is_ahead(self, followed: BlockRef) -> bool:
        with step("asking for the head"):
            try:
                return (await self._chain.head()).number >= followed.number + FAR_BEHIND
            except ChainUnavailable:
                return False

    async def _read(self, head: BlockRef) -> None:
        book = await self._chain.commitments(head)
        if book is self._book:
            return
        self._book = book
        for submission in await self._keeper.add_submissions(submissions_of(book)):
            commitment = submission.commitment
            self._sink.emit(
                SubmissionSeen(
                    key=commitment.key,
                    repo=commitment.model.repo,
                    num_blocks_late=head.number - commitment.block,
                )
            )


async def _first(blocks: AsyncIterator[BlockRef]) -> BlockRef | None:
    async for head in blocks:
        return head
    return None
