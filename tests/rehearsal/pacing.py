"""The time of our own chain: a block as soon as the validators have done what is due before it.

On a real chain blocks come by themselves, every 12 seconds, and nothing here runs.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence

from sn37.app.samples.pool_requests import live_tasks
from sn37.domain.ids import Block
from sn37.domain.schedule.schedule import Schedule
from tests.rehearsal.journal import Journal
from tests.support.rpc_node import RpcNode

PATIENCE_S = 400.0  # for anything that a validator must do; a busy machine is slow
LOOK_S = 0.02
STEP = 24  # blocks at once where nothing happens
PAUSE_S = 0.5  # before each block of a round that is being fetched or scored


class Behind(Exception):
    """A validator did not do in time what was due; the message says what."""


class Pace:
    """Makes the blocks of a chain.

    Args:
        is_running: True while the validator of a journal lives.
    """

    def __init__(
        self, node: RpcNode, schedule: Schedule, *, is_running: Callable[[Journal], bool]
    ) -> None:
        self._node = node
        self._schedule = schedule
        self._timing = schedule.timing
        self._is_running = is_running

    async def follow(self, journals: Sequence[Journal]) -> None:
        """Make blocks until no validator is left.

        Raises:
            Behind: One of them lives, and does not go on.
        """
        while any(map(self._is_running, journals)):
            await self._await(journals, self._has_followed, "follow the chain")
            await self._make_blocks(journals)

    async def _make_blocks(self, journals: Sequence[Journal]) -> None:
        head = self._head
        sync, coming = self._timing.sync_block(head), self._timing.next_sync_block(head)
        lead = coming - self._timing.freeze_lead
        if head == sync:
            await self._node.produce()
        elif head >= lead:
            await self._await(journals, self._has_frozen, "read the live sources")
            await self._node.skip(max(1, coming - 1 - head))
        elif not self._are(journals, self._has_scored):
            if head > sync + 1:
                await self._await(journals, self._keeps_up, "score the round before")
            if head != sync + 2:
                await self._await(journals, self._has_opened, "open the round")
            if head <= sync + self._timing.files_grace:
                await asyncio.sleep(PAUSE_S)
            else:
                await self._await(journals, self._has_scored, "score the round")
            await self._node.produce()
        elif not self._are(journals, self._has_weighed):
            await asyncio.sleep(PAUSE_S)  # weights are sent after a block
            await self._node.produce()
        else:
            await self._node.skip(min(STEP, lead - head))

    @property
    def _head(self) -> Block:
        return Block(self._node.chain.finalized)

    async def _await(
        self, journals: Sequence[Journal], is_so: Callable[[Journal], bool], what: str
    ) -> None:
        until = time.monotonic() + PATIENCE_S
        while True:
            for journal in journals:
                journal.look()
            late = [j for j in journals if self._is_running(j) and not is_so(j)]
            if not late:
                return
            if time.monotonic() > until:
                told = "; ".join(f"{j.head}, {j.degraded[-1:]}" for j in late)
                raise Behind(f"at block {self._head} a validator did not {what}: {told}")
            await asyncio.sleep(LOOK_S)

    def _has_followed(self, journal: Journal) -> bool:
        return journal.head >= self._head

    def _has_frozen(self, journal: Journal) -> bool:
        coming = self._timing.next_sync_block(self._head)
        return all(
            len(journal.frozen[rules.id, coming]) == len(live_tasks(rules))
            for rules in self._schedule.at(coming)
        )

    def _has_opened(self, journal: Journal) -> bool:
        sync = self._timing.sync_block(self._head)
        if journal.first_head > sync - self._timing.freeze_lead:
            return True  # it came too late for this round
        known = journal.opened | journal.finished | set(journal.sat_out)
        busy = {competition for competition, _ in self._earlier(journal)}
        return all(
            rules.id in busy or (rules.id, sync) in known for rules in self._schedule.at(sync)
        )

    def _keeps_up(self, journal: Journal) -> bool:
        """True unless a competition must finish an earlier round before it opens the newest.

        Without live sources the first round of a validator is the one before its start. It is
        scored at the block after the one at which it is opened; the next round opens a block later.
        """
        return not self._earlier(journal)

    def _earlier(self, journal: Journal) -> set[tuple[int, int]]:
        """The rounds before the newest that are open."""
        sync = self._timing.sync_block(self._head)
        done = journal.finished | set(journal.sat_out)
        return {key for key in journal.opened - done if key[1] < sync}

    def _has_scored(self, journal: Journal) -> bool:
        done = journal.finished | set(journal.sat_out)
        is_open = self._has_opened(journal) and self._keeps_up(journal)
        return is_open and self._opened(journal) <= done

    def _has_weighed(self, journal: Journal) -> bool:
        """True if the weights of the newest round are set, or none are due."""
        sync = self._timing.sync_block(self._head)
        if journal.first_head > sync:
            return True  # an earlier run has sent them, and ended before it could tell
        is_due = bool(self._opened(journal)) and self._is_warm(journal)
        return sync in journal.weighed or not is_due

    def _opened(self, journal: Journal) -> set[tuple[int, int]]:
        """The newest round of each competition, if the validator has opened it."""
        sync = self._timing.sync_block(self._head)
        return {key for key in journal.opened if key[1] == sync}

    def _is_warm(self, journal: Journal) -> bool:
        """True if a validator has judged enough rounds to set weights."""
        judged = Counter(competition for competition, _ in journal.finished)
        rules = self._schedule.at(self._head)
        return journal.follows_receipts or all(
            judged[r.id] >= self._schedule.warmup_rounds for r in rules
        )

    def _are(self, journals: Sequence[Journal], is_so: Callable[[Journal], bool]) -> bool:
        """True if it is so for every validator that runs."""
        for journal in journals:
            journal.look()
        return all(is_so(j) for j in journals if self._is_running(j))
