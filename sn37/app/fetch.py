"""Download and verify submissions, the next few of the queue at a time."""

from __future__ import annotations

from dataclasses import replace

from sn37.app.heads import Subscription
from sn37.app.keeper import StateKeeper
from sn37.domain.commitment import Commitment
from sn37.domain.duplicates import copied_from, mismatch_reason
from sn37.domain.eligibility import restart_clock
from sn37.domain.events import Degraded, SubmissionFetched, SubmissionRefused
from sn37.domain.ids import BLOCK_SECONDS, Block, BlockRef, EntryKey
from sn37.domain.models import ModelArtifact, ModelConstraints
from sn37.domain.queue import fetch_order
from sn37.domain.reasons import Reason
from sn37.domain.retention import retained
from sn37.domain.schedule import Schedule
from sn37.domain.state import Submission
from sn37.ports.chain import Chain
from sn37.ports.errors import ModelNotPublic, ModelRejected, StoreFull, StoreUnavailable
from sn37.ports.model_store import ModelStore
from sn37.ports.telemetry import EventSink

MAX_FETCHES = 8  # per head; the rest of the queue waits for the next
MAX_PAUSE_BLOCKS = 32  # between two attempts at one repository: 6 minutes


class Fetcher:
    """Brings one submission after the other to disk, in order of precedence.

    A repository that cannot be read yet is asked again after 1, 2, 4, ... blocks: publishing
    follows the commitment by seconds, so nobody is punished for it.
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
        self._pauses: dict[EntryKey, int] = {}  # blocks
        self._not_before: dict[EntryKey, Block] = {}

    async def run(self) -> None:
        async for head in self._heads:
            for submission in await self._due(head):
                await self._fetch(submission, head.number)

    async def _due(self, head: BlockRef) -> tuple[Submission, ...]:
        submissions = self._keeper.state.submissions.values()
        paused = {k for k, block in self._not_before.items() if block > head.number}
        if all(s.artifact or s.rejection or s.commitment.key in paused for s in submissions):
            return ()
        return fetch_order(
            submissions,
            schedule=self._schedule,
            block=head.number,
            metagraph=await self._chain.metagraph(head),
            limit=MAX_FETCHES,
            skip=paused,
        )

    async def _fetch(self, submission: Submission, block: Block) -> None:
        commitment = submission.commitment
        rules = self._schedule.competition(commitment.competition, block)
        if rules is None:
            return
        try:
            self._check_copy(commitment)
            artifact = await self._bring(commitment, rules.constraints)
        except ModelRejected as error:
            await self._refuse(submission, error)
        except ModelNotPublic:
            self._pause(commitment.key, block)
        except StoreUnavailable as error:
            pause_s = float(self._pause(commitment.key, block) * BLOCK_SECONDS)
            self._sink.emit(Degraded(what="model host", error=str(error), retry_in_s=pause_s))
        else:
            await self._accept(commitment.key, artifact, block)

    async def _bring(self, commitment: Commitment, limits: ModelConstraints) -> ModelArtifact:
        """Fetch a model, making room for it as far as that is worth it."""
        for keep in retained(self._keeper.state):
            try:
                return await self._models.fetch(commitment, limits)
            except StoreFull:
                await self._models.evict(keep=keep)
        return await self._models.fetch(commitment, limits)

    def _check_copy(self, commitment: Commitment) -> None:
        """Refuse a hash that was verified for another hotkey, before anything is downloaded."""
        known = self._keeper.state.submissions.values()
        verified = [s.commitment for s in known if s.artifact is not None]
        if (original := copied_from(commitment, verified)) is not None:
            raise ModelRejected(
                f"the hash is that of {original.hotkey}, committed at block {original.block}",
                reason=Reason.COPIED_COMMITMENT,
            )

    async def _accept(self, key: EntryKey, artifact: ModelArtifact, block: Block) -> None:
        def change(submission: Submission) -> Submission:
            return restart_clock(replace(submission, artifact=artifact), block)

        self._pauses.pop(key, None)
        await self._keeper.change_submissions({key: change})
        self._sink.emit(SubmissionFetched(key=key, size_bytes=artifact.size_bytes))

    async def _refuse(self, submission: Submission, error: ModelRejected) -> None:
        commitment, reason = submission.commitment, error.reason
        if reason is Reason.DIGEST_MISMATCH:
            others = self._keeper.state.submissions.values()
            reason = mismatch_reason(commitment, [s.commitment for s in others])

        def change(known: Submission) -> Submission:
            return replace(known, rejection=reason, detail=str(error))

        await self._keeper.change_submissions({commitment.key: change})
        self._sink.emit(SubmissionRefused(key=commitment.key, reason=reason, detail=str(error)))

    def _pause(self, key: EntryKey, block: Block) -> int:
        """Blocks until this one is asked for again: doubled with every attempt."""
        pause = self._pauses.get(key, 1)
        self._not_before[key] = Block(block + pause)
        self._pauses[key] = min(2 * pause, MAX_PAUSE_BLOCKS)
        return pause
