"""State store in one SQLite database, one transaction per step."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sn37.adapters.sqlite import cold_start as beginnings
from sn37.adapters.sqlite import journal, newcomer_time, opinions, rounds
from sn37.adapters.sqlite import prune as forgetting
from sn37.adapters.sqlite.database import Access, Database, Step, connect
from sn37.adapters.sqlite.stored import SUBMISSION, WEIGHTS, CodecError
from sn37.domain.data.samples import Pool
from sn37.domain.ids import Block, CompetitionId, EntryKey, RoundKey, TaskName
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.records.statement import RoundRecord
from sn37.domain.round.evidence import ALL_ROUNDS
from sn37.domain.round.signers import SampleSigners
from sn37.domain.round.state import (
    Beginning,
    DrawnRows,
    EntryOutcome,
    OpenRound,
    RoundPlan,
    RoundResult,
    ValidatorState,
    WeightsRecord,
)
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.scoring.opinion import Opinion
from sn37.domain.submission.submission import Submission

if TYPE_CHECKING:
    from sn37.ports.state_store import StateStore

_T = TypeVar("_T")


class SqliteStateStore:
    """State store in the file ``path``, which no second store may use at the same time.

    The first call opens the file. All work runs on one separate thread: calls are carried out
    one after the other, and a call whose caller was cancelled is completed.

    Args:
        path: The database; its folder is created if missing, and ``path.lock`` beside it.
        keep_texts: Number of finished rounds per competition whose samples and pools are
            kept; of older ones only row ids, content hashes and losses remain.
    """

    def __init__(
        self,
        path: Path,
        *,
        keep_texts: int = 0,
        connect: Callable[[Path], sqlite3.Connection] = connect,
    ) -> None:
        self._database = Database(path, connect=connect)
        self._keep_texts = keep_texts
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._closed = False

    async def load(self) -> ValidatorState:
        return await self._run(load_state, Access.READ)

    async def save_submissions(self, submissions: Collection[Submission]) -> None:
        await self._run(partial(_save_submissions, submissions=submissions))

    async def freeze_pools(self, round_: RoundKey, pools: Mapping[TaskName, Pool]) -> None:
        await self._run(partial(rounds.freeze_pools, round_=round_, pools=pools))

    async def pools(self, round_: RoundKey) -> Mapping[TaskName, Pool]:
        return await self._run(partial(rounds.pools, round_=round_), Access.READ)

    async def open_round(self, plan: RoundPlan) -> None:
        await self._run(partial(rounds.open_round, plan=plan))

    async def screen_round(self, plan: RoundPlan) -> None:
        await self._run(partial(rounds.screen_round, plan=plan))

    async def append(self, round_: RoundKey, entry: EntryKey, losses: BlockLosses) -> None:
        step = partial(journal.append, round_=round_, entry=entry, losses=losses)
        await self._run(step, Access.JOURNAL)

    async def record_environment(
        self, round_: RoundKey, entry: EntryKey, environment: Mapping[str, str]
    ) -> None:
        step = partial(
            journal.record_environment, round_=round_, entry=entry, environment=environment
        )
        await self._run(step, Access.JOURNAL)

    async def finish_entry(
        self, round_: RoundKey, outcome: EntryOutcome, receipt: SignedReceipt | None
    ) -> None:
        await self._run(
            partial(journal.finish_entry, round_=round_, outcome=outcome, receipt=receipt)
        )

    async def record_opinion(
        self, round_: RoundKey, opinion: Opinion, receipt: SignedReceipt
    ) -> None:
        await self._run(partial(opinions.record, round_=round_, opinion=opinion, receipt=receipt))

    async def opinions(self, entry: EntryKey) -> Mapping[Block, Opinion]:
        return await self._run(partial(opinions.of_entry, entry=entry), Access.READ)

    async def finish_round(
        self,
        result: RoundResult,
        submissions: Collection[Submission] = (),
        statement: SignedReceipt | None = None,
    ) -> None:
        def finish(db: sqlite3.Connection) -> None:
            if rounds.finish_round(db, result, keep_texts=self._keep_texts):
                _save_submissions(db, submissions)
                if statement is not None:
                    beginnings.save_statement(db, result.key, statement)

        await self._run(finish)

    async def recorded(self, round_: RoundKey) -> OpenRound | None:
        def read(db: sqlite3.Connection) -> OpenRound | None:
            found = rounds.plan_of(db, round_)
            return None if found is None else _opened(db, *found)

        return await self._run(read, Access.READ)

    async def drawn(self, round_: RoundKey) -> tuple[DrawnRows, ...]:
        return await self._run(partial(rounds.drawn, round_=round_), Access.READ)

    async def losses(
        self,
        competition: CompetitionId,
        entries: Collection[EntryKey],
        *,
        since: Block = ALL_ROUNDS,
    ) -> Mapping[EntryKey, Mapping[Block, tuple[BlockLosses, ...]]]:
        step = partial(journal.losses, competition=competition, entries=entries, since=since)
        return await self._run(step, Access.READ)

    async def signers(
        self, competition: CompetitionId, *, since: Block = ALL_ROUNDS
    ) -> Mapping[Block, SampleSigners]:
        step = partial(rounds.signers, competition=competition, since=since)
        return await self._run(step, Access.READ)

    async def shared_rounds(
        self, competition: CompetitionId, entries: Collection[EntryKey]
    ) -> Mapping[Block, frozenset[EntryKey]]:
        step = partial(journal.shared_rounds, competition=competition, entries=entries)
        return await self._run(step, Access.READ)

    async def receipts(self, round_: RoundKey) -> tuple[SignedReceipt, ...]:
        return await self._run(partial(journal.receipts, round_=round_), Access.READ)

    async def statement(self, round_: RoundKey) -> SignedReceipt | None:
        return await self._run(partial(beginnings.statement, round_=round_), Access.READ)

    async def begin(
        self,
        beginning: Beginning,
        *,
        rounds: Sequence[RoundRecord] = (),
        submissions: Collection[Submission] = (),
    ) -> None:
        def begin(db: sqlite3.Connection) -> None:
            beginnings.begin(db, beginning, rounds)
            _save_submissions(db, submissions)

        await self._run(begin)

    async def record_later(self, record: RoundRecord) -> None:
        step = partial(beginnings.record_later, record=record, keep_texts=self._keep_texts)
        await self._run(step)

    async def record_newcomers_s(self, round_: RoundKey, seconds: float) -> None:
        await self._run(partial(newcomer_time.record, round_=round_, seconds=seconds))

    async def record_weights(self, record: WeightsRecord) -> None:
        await self._run(partial(_record_weights, record=record))

    async def forget(
        self,
        competition: CompetitionId,
        *,
        before: Block,
        keep: Collection[EntryKey],
        at: datetime,
    ) -> Block | None:
        return await self._run(
            partial(forgetting.forget, competition=competition, before=before, keep=keep, at=at)
        )

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
        finally:
            self._thread.shutdown(wait=False)  # submitted calls still run

    async def _run(self, step: Step[_T], access: Access = Access.WRITE) -> _T:
        if self._closed:
            raise RuntimeError("the state store is closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._database.transact, step, access)


def load_state(db: sqlite3.Connection) -> ValidatorState:
    """Return the state, as the port's ``load`` does."""
    submissions = db.execute(
        "SELECT hotkey, block, competition, value FROM submission ORDER BY block, hotkey"
    )
    weights = db.execute("SELECT sync_block, extrinsic, value FROM weights ORDER BY sync_block")
    return ValidatorState(
        submissions={s.commitment.key: s for s in (load_submission(*row) for row in submissions)},
        rounds=rounds.results(db),
        open_rounds={
            plan.key: _opened(db, round_id, plan)
            for round_id, plan in rounds.open_plans(db).items()
        },
        weights=tuple([load_weights(*row) for row in weights]),
        newcomers_s=newcomer_time.read(db),
        beginning=beginnings.beginning(db),
    )


def _opened(db: sqlite3.Connection, round_id: int, plan: RoundPlan) -> OpenRound:
    return OpenRound(
        plan=plan,
        journal=journal.journal(db, round_id),
        outcomes=journal.outcomes(db, round_id),
        environments=journal.environments(db, round_id),
        opinions=opinions.of_round(db, round_id),
    )


def load_submission(hotkey: str, block: int, competition: int, value: str) -> Submission:
    """Return the submission of one row."""
    read = SUBMISSION.load(value)
    known = read.commitment
    if (known.hotkey, known.block, known.competition) != (hotkey, block, competition):
        raise CodecError(f"the submission of {known.key} is stored under {hotkey} at {block}")
    return read


def load_weights(sync_block: int, extrinsic: str | None, value: str) -> WeightsRecord:
    """Return the weights of one row."""
    read = WEIGHTS.load(value)
    if (read.sync_block, read.extrinsic) != (sync_block, extrinsic):
        raise CodecError(f"weights of {read.sync_block} are stored under {sync_block}, {extrinsic}")
    return read


def _save_submissions(db: sqlite3.Connection, submissions: Collection[Submission]) -> None:
    db.executemany(
        "INSERT INTO submission (hotkey, block, competition, status, value)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (hotkey, block) DO UPDATE SET"
        " competition = excluded.competition, status = excluded.status, value = excluded.value",
        [
            (
                s.commitment.hotkey,
                s.commitment.block,
                s.commitment.competition,
                _status(s),
                SUBMISSION.dump(s),
            )
            for s in submissions
        ],
    )


def _status(submission: Submission) -> str:
    if submission.rejection is not None:
        return "rejected"
    if submission.duplicate_of is not None:
        return "duplicate"
    if submission.retired:
        return "retired"
    return "seen" if submission.artifact is None else "fetched"


def _record_weights(db: sqlite3.Connection, record: WeightsRecord) -> None:
    db.execute(
        "INSERT INTO weights (sync_block, extrinsic, value) VALUES (?, ?, ?)"
        " ON CONFLICT (sync_block) DO UPDATE SET"
        " extrinsic = excluded.extrinsic, value = excluded.value",
        (record.sync_block, record.extrinsic, WEIGHTS.dump(record)),
    )


if TYPE_CHECKING:
    _store: StateStore = SqliteStateStore(Path("state.sqlite"))
