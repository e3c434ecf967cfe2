"""A state store that waits for its disk: a full one stops the validator, and ends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from sn37.app.steps import Steps
from sn37.domain.events import Degraded, Recovered
from sn37.domain.evidence import ALL_ROUNDS
from sn37.domain.ids import Block, CompetitionId, EntryKey, RoundKey, TaskName
from sn37.domain.receipt import SignedReceipt
from sn37.domain.samples import Pool
from sn37.domain.scoring import BlockLosses
from sn37.domain.state import (
    Beginning,
    DrawnRows,
    EntryOutcome,
    OpenRound,
    RoundPlan,
    RoundResult,
    Submission,
    ValidatorState,
    WeightsRecord,
)
from sn37.domain.statement import RoundRecord
from sn37.ports.clock import Clock
from sn37.ports.errors import StateUnavailable
from sn37.ports.state_store import StateStore
from sn37.ports.telemetry import EventSink

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0  # somebody has made room and watches

_T = TypeVar("_T")


class PatientStore:
    """Tries again, until the disk takes it, what any store refuses for now.

    Calls are carried out in the order in which they are made: what a later one rests on is
    recorded before it, however long that takes. Whoever waits goes no further, so nothing
    happens that is not recorded. Only ``load`` gives up at once: somebody who has just started
    the validator can mend it.
    """

    def __init__(self, store: StateStore, *, clock: Clock, sink: EventSink, steps: Steps) -> None:
        self._store = store
        self._clock = clock
        self._sink = sink
        self._steps = steps
        self._turn = asyncio.Lock()  # taken in the order of asking

    async def load(self) -> ValidatorState:
        return await self._store.load()

    async def save_submissions(self, submissions: Collection[Submission]) -> None:
        await self._patiently(lambda: self._store.save_submissions(submissions))

    async def freeze_pools(self, round_: RoundKey, pools: Mapping[TaskName, Pool]) -> None:
        await self._patiently(lambda: self._store.freeze_pools(round_, pools))

    async def pools(self, round_: RoundKey) -> Mapping[TaskName, Pool]:
        return await self._patiently(lambda: self._store.pools(round_))

    async def open_round(self, plan: RoundPlan) -> None:
        await self._patiently(lambda: self._store.open_round(plan))

    async def append(self, round_: RoundKey, entry: EntryKey, losses: BlockLosses) -> None:
        await self._patiently(lambda: self._store.append(round_, entry, losses))

    async def record_environment(
        self, round_: RoundKey, entry: EntryKey, environment: Mapping[str, str]
    ) -> None:
        await self._patiently(lambda: self._store.record_environment(round_, entry, environment))

    async def finish_entry(
        self, round_: RoundKey, outcome: EntryOutcome, receipt: SignedReceipt | None
    ) -> None:
        await self._patiently(lambda: self._store.finish_entry(round_, outcome, receipt))

    async def finish_round(
        self,
        result: RoundResult,
        submissions: Collection[Submission] = (),
        statement: SignedReceipt | None = None,
    ) -> None:
        await self._patiently(lambda: self._store.finish_round(result, submissions, statement))

    async def recorded(self, round_: RoundKey) -> OpenRound | None:
        return await self._patiently(lambda: self._store.recorded(round_))

    async def drawn(self, round_: RoundKey) -> tuple[DrawnRows, ...]:
        return await self._patiently(lambda: self._store.drawn(round_))

    async def losses(
        self,
        competition: CompetitionId,
        entries: Collection[EntryKey],
        *,
        since: Block = ALL_ROUNDS,
    ) -> Mapping[EntryKey, Mapping[Block, tuple[BlockLosses, ...]]]:
        return await self._patiently(lambda: self._store.losses(competition, entries, since=since))

    async def receipts(self, round_: RoundKey) -> tuple[SignedReceipt, ...]:
        return await self._patiently(lambda: self._store.receipts(round_))

    async def statement(self, round_: RoundKey) -> SignedReceipt | None:
        return await self._patiently(lambda: self._store.statement(round_))

    async def begin(
        self,
        beginning: Beginning,
        *,
        rounds: Sequence[RoundRecord] = (),
        submissions: Collection[Submission] = (),
    ) -> None:
        await self._patiently(
            lambda: self._store.begin(beginning, rounds=rounds, submissions=submissions)
        )

    async def record_weights(self, record: WeightsRecord) -> None:
        await self._patiently(lambda: self._store.record_weights(record))

    async def forget(
        self,
        competition: CompetitionId,
        *,
        before: Block,
        keep: Collection[EntryKey],
        at: datetime,
    ) -> Block | None:
        return await self._patiently(
            lambda: self._store.forget(competition, before=before, keep=keep, at=at)
        )

    async def close(self) -> None:
        await self._store.close()

    async def _patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        async with self._turn:
            pause_s, has_failed = FIRST_PAUSE_S, False
            while True:
                try:
                    answer = await call()
                except StateUnavailable as error:
                    has_failed = True
                    self._sink.emit(Degraded(what="state", error=str(error), retry_in_s=pause_s))
                    with self._steps.excused():
                        await self._clock.sleep(pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                else:
                    if has_failed:
                        self._sink.emit(Recovered(what="state"))
                    return answer


if TYPE_CHECKING:
    _: type[StateStore] = PatientStore
