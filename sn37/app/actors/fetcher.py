"""Actor that downloads and verifies the submissions of the next rounds, several at a time."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from operator import is_

from sn37.app.rounds.model_fetch import fetch_model, fetch_step
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.deadlines import step
from sn37.app.supervision.heads import Subscription
from sn37.domain.backoff import Backoff
from sn37.domain.disk.expected_downloads import Expected, expected_entries
from sn37.domain.events import (
    Degraded,
    Dependency,
    QueueChanged,
    SubmissionFetched,
    SubmissionRefused,
)
from sn37.domain.ids import BLOCK_SECONDS, Block, BlockRef, EntryKey
from sn37.domain.metagraph import Metagraph
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.duplicates import copied_from, duplicates_of
from sn37.domain.submission.eligibility import restart_clock
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.submission.submission import Submission
from sn37.ports.chain import Chain
from sn37.ports.errors import ChainUnavailable, ModelNotPublic, ModelRejected, StoreUnavailable
from sn37.ports.model_store import ModelStore
from sn37.ports.telemetry import EventSink

MAX_TRANSFERS = 4  # at the same time; one of them can fill a line of 1 Gbit/s
SLOW_BLOCKS = 100  # after 20 minutes a transfer does not count towards MAX_TRANSFERS
MAX_ALL_TRANSFERS = 12  # slow ones included
PAUSE_BLOCKS = Backoff(1, 32)  # between two attempts at one repository: up to 6 minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transfer:
    task: asyncio.Task[None]
    began: Block  # the head at the start


class Fetcher:
    """Actor that downloads the submissions of the next rounds, the soonest first.

    A repository that cannot be read yet is tried again after 1, 2, 4, ... blocks. Miners publish
    seconds after they commit, so this has no other consequence.
    """

    def __init__(
        self,
        *,
        chain: Chain,
        models: ModelStore,
        keeper: StateKeeper,
        heads: Subscription,
        schedule: Schedule,
        sink: EventSink,
    ) -> None:
        self._chain = chain
        self._models = models
        self._keeper = keeper
        self._heads = heads
        self._schedule = schedule
        self._sink = sink
        self._num_attempts: dict[EntryKey, int] = {}  # failed ones in a row
        self._not_before: dict[EntryKey, Block] = {}
        self._unreadable: set[EntryKey] = set()  # at the last attempt
        self._under_way: dict[EntryKey, _Transfer] = {}
        self._expected: tuple[tuple[object, ...], tuple[Expected, ...]] = ((), ())
        self._queue: QueueChanged | None = None  # as reported last
        self._counted: tuple[object, object, object] = (
            None,
            None,
            None,
        )  # what that was computed from

    async def run(self) -> None:
        self._under_way.clear()
        async with asyncio.TaskGroup() as group:
            async for head in self._heads:
                self._report_queue()
                await self._follow(head, group)
                self._report_queue()

    async def _follow(self, head: BlockRef, group: asyncio.TaskGroup) -> None:
        """Run transfers until nothing is left to do, or a newer head arrives.

        A simulated chain makes no new head while this is busy.
        """
        metagraph: Metagraph | None = None
        while not self._heads.behind:
            if not self._is_all_here():
                try:
                    metagraph = metagraph or await self._chain.metagraph(head)
                except ChainUnavailable as error:  # running transfers continue
                    pause_s = float(BLOCK_SECONDS)
                    self._sink.emit(
                        Degraded(what=Dependency.CHAIN, error=str(error), retry_in_s=pause_s)
                    )
                    return
                self._start_due(head, metagraph, group)
            if not self._under_way:
                return
            newer = group.create_task(self._heads.until_behind())
            tasks = [transfer.task for transfer in self._under_way.values()]
            with step("waiting for transfers", within_s=math.inf):  # each has its own limit
                await asyncio.wait([newer, *tasks], return_when=asyncio.FIRST_COMPLETED)
            newer.cancel()

    def _start_due(self, head: BlockRef, metagraph: Metagraph, group: asyncio.TaskGroup) -> None:
        """Start as many transfers as are allowed, in the order in which they are expected."""
        block = head.number
        late = [t for t in self._under_way.values() if block - t.began >= SLOW_BLOCKS]
        free = min(MAX_TRANSFERS + len(late), MAX_ALL_TRANSFERS) - len(self._under_way)
        due = [e for e in self._coming(head, metagraph) if self._is_due(e, block)]
        for entry in due[: max(free, 0)]:
            task = group.create_task(self._fetch(entry, block))
            self._under_way[entry.key] = _Transfer(task=task, began=block)

    def _is_all_here(self) -> bool:
        return all(s.artifact or s.rejection for s in self._keeper.state.submissions.values())

    def _is_due(self, expected: Expected, block: Block) -> bool:
        submission, key = expected.submission, expected.key
        return (
            submission.artifact is None
            and submission.rejection is None
            and key not in self._under_way
            and self._not_before.get(key, block) <= block
        )

    def _coming(self, head: BlockRef, metagraph: Metagraph) -> tuple[Expected, ...]:
        """Return the expected submissions, computed again when an input has changed."""
        state, sync = self._keeper.state, self._schedule.timing.sync_block(head.number)
        basis = (
            *(sync, metagraph.neurons, frozenset(self._unreadable)),
            *(state.submissions, state.rounds, state.open_rounds),
        )
        if basis != self._expected[0]:
            found = expected_entries(
                state.submissions.values(),
                schedule=self._schedule,
                block=sync,
                metagraph=metagraph,
                histories={c: self._keeper.history(c) for c in state.rounds},
                open_rounds=state.open_rounds.values(),
                unreadable=self._unreadable,
            )
            self._expected = (basis, found)
        return self._expected[1]

    async def _fetch(self, expected: Expected, block: Block) -> None:
        rules = self._schedule.competition(
            expected.submission.commitment.competition, expected.sync_block
        )
        try:
            if rules is not None:
                with fetch_step(expected.submission.commitment, rules.constraints):
                    await self._settle(expected.submission, rules.constraints, block)
        finally:
            del self._under_way[expected.key]

    async def _settle(self, submission: Submission, limits: ModelConstraints, block: Block) -> None:
        """Fetch one submission's files, or record why not, or when to try again."""
        commitment = submission.commitment
        self._unreadable.discard(commitment.key)
        try:
            self._check_copy(commitment)
            artifact = await fetch_model(self._models, self._keeper, commitment, limits)
        except ModelRejected as error:
            await self._refuse(submission, error)
        except ModelNotPublic:
            self._unreadable.add(commitment.key)
            self._pause(commitment.key, self._now(block))
        except StoreUnavailable as error:
            pause_s = float(self._pause(commitment.key, self._now(block)) * BLOCK_SECONDS)
            self._sink.emit(
                Degraded(what=Dependency.MODEL_HOST, error=str(error), retry_in_s=pause_s)
            )
        else:
            await self._accept(commitment.key, artifact, self._now(block))

    def _now(self, began: Block) -> Block:
        """Return the newest block, because a transfer may take hours."""
        return began if (newest := self._heads.newest) is None else newest.number

    def _check_copy(self, commitment: Commitment) -> None:
        """Refuse a hash that was verified for another hotkey, before anything is downloaded."""
        known = self._keeper.state.submissions.values()
        verified = [s.commitment for s in known if s.artifact is not None]
        if (original := copied_from(commitment, verified)) is not None:
            raise _copied(original)

    async def _accept(self, key: EntryKey, artifact: ModelArtifact, block: Block) -> None:
        def change(submission: Submission) -> Submission:
            return restart_clock(replace(submission, artifact=artifact), block)

        self._num_attempts.pop(key, None)
        await self._keeper.change_submissions({key: change})
        self._sink.emit(SubmissionFetched(key=key, size_bytes=artifact.size_bytes))

    async def _refuse(self, submission: Submission, error: ModelRejected) -> None:
        commitment = submission.commitment
        if error.reason is Reason.DIGEST_MISMATCH:
            others = self._keeper.state.submissions.values()
            # The message is the same whether or not the original is verified yet.
            if (original := copied_from(commitment, [s.commitment for s in others])) is not None:
                error = _copied(original)
        reason, detail = error.reason, str(error)

        def change(known: Submission) -> Submission:
            return replace(known, rejection=reason, detail=detail)

        await self._keeper.change_submissions({commitment.key: change})
        self._sink.emit(SubmissionRefused(key=commitment.key, reason=reason, detail=detail))

    def _report_queue(self) -> None:
        """Report how many submissions wait for their first round, if that has changed."""
        state = self._keeper.state
        basis = (state.submissions, state.rounds, state.open_rounds)
        if all(map(is_, basis, self._counted)):
            return
        self._counted = basis
        entered = {
            key
            for competition in {*state.rounds, *state.past}
            for key in self._keeper.history(competition).entered
        }
        copies = duplicates_of(state.submissions.values(), entered=entered)
        under_way = {key for opened in state.open_rounds.values() for key in opened.plan.entries}
        newest = {key.hotkey: key for key in sorted(state.submissions, key=lambda k: k.block)}
        left = [
            state.submissions[key]
            for key in newest.values()
            if not (key in entered or key in under_way or key in copies)
            and state.submissions[key].rejection is None
        ]
        num_fetched = sum(s.artifact is not None for s in left)
        queue = QueueChanged(num_fetched=num_fetched, num_waiting=len(left) - num_fetched)
        if queue != self._queue:
            self._queue = queue
            self._sink.emit(queue)

    def _pause(self, key: EntryKey, block: Block) -> int:
        """Return the blocks until the next attempt; they double with every attempt."""
        self._num_attempts[key] = self._num_attempts.get(key, 0) + 1
        pause = int(PAUSE_BLOCKS.after(self._num_attempts[key]))
        self._not_before[key] = Block(block + pause)
        return pause


def _copied(original: EntryKey) -> ModelRejected:
    return ModelRejected(
        f"the hash is that of {original.hotkey}, committed at block {original.block}",
        reason=Reason.COPIED_COMMITMENT,
    )
