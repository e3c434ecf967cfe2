"""Download and verify submissions, the next few of the queue at a time."""

from __future__ import annotations

from dataclasses import replace

from sn37.app.heads import Subscription
from sn37.app.keeper import StateKeeper
from sn37.domain.events import Degraded, SubmissionFetched
from sn37.domain.ids import Block, EntryKey
from sn37.domain.models import ModelArtifact
from sn37.domain.queue import fetch_order
from sn37.domain.schedule import Schedule
from sn37.domain.state import Submission
from sn37.ports.errors import ModelNotPublic, ModelRejected, StoreUnavailable
from sn37.ports.model_store import ModelStore
from sn37.ports.telemetry import EventSink

MAX_BACKOFF_BLOCKS = 32  # between two attempts at one repository: 6 minutes


class Fetcher:
    """Brings one submission after the other to disk, in order of precedence.

    A repository that cannot be read yet is asked again after 1, 2, 4, ... blocks: publishing
    follows the commitment by seconds, so nobody is punished for it.
    """

    def __init__(
        self,
        *,
        store: ModelStore,
        keeper: StateKeeper,
        heads: Subscription,
        schedule: Schedule,
        sink: EventSink,
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._heads = heads
        self._schedule = schedule
        self._sink = sink
        self._attempts: dict[EntryKey, tuple[int, Block]] = {}  # how many, not before which block

    async def run(self) -> None:
        async for head in self._heads:
            for submission in self._due(head.number):
                await self._fetch(submission, head.number)

    def _due(self, block: Block) -> tuple[Submission, ...]:
        """What to download now: of each repository's attempts only those whose time has come."""
        order = fetch_order(
            self._keeper.state.submissions.values(), schedule=self._schedule, block=block
        )
        return tuple(s for s in order if self._attempts.get(s.commitment.key, (0, 0))[1] <= block)

    async def _fetch(self, submission: Submission, block: Block) -> None:
        commitment = submission.commitment
        rules = self._schedule.competition(commitment.competition, block)
        if rules is None:
            return
        try:
            artifact = await self._store.fetch(commitment, rules.constraints)
        except ModelRejected as error:
            await self._reject(submission, error)
        except (ModelNotPublic, StoreUnavailable) as error:
            retry_in = self._postpone(commitment.key, block)
            if isinstance(error, StoreUnavailable):
                self._sink.emit(
                    Degraded(what="model host", error=str(error), retry_in_s=retry_in * 12.0)
                )
        else:
            await self._accept(submission, artifact)

    async def _accept(self, submission: Submission, artifact: ModelArtifact) -> None:
        key = submission.commitment.key
        self._attempts.pop(key, None)
        await self._change(key, lambda s: replace(s, artifact=artifact))
        self._sink.emit(SubmissionFetched(key=key, size_bytes=artifact.size_bytes))
