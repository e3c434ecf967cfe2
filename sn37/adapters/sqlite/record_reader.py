"""A validator's database, read for pages: one connection and one short transaction each."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.adapters.sqlite import cold_start, journal, rounds
from sn37.adapters.sqlite.database import translated
from sn37.adapters.sqlite.read_only import reading_current
from sn37.adapters.sqlite.state_store import load_submission, load_weights
from sn37.adapters.sqlite.stored import RESULT, SIGNERS, CodecError, Column
from sn37.domain.ids import Block, CompetitionId, Digest, EntryKey, Hotkey, RoundKey
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.round.signers import SampleSigners
from sn37.domain.round.state import (
    Beginning,
    DrawnRows,
    EntryResult,
    RoundPlan,
    RoundResult,
    WeightsRecord,
)
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.submission.submission import Submission
from sn37.ports.errors import StateUnavailable
from sn37.ports.record_reader import ListedEntry, RoundUnderWay, Signed

if TYPE_CHECKING:
    from sn37.ports.record_reader import RecordReader, RecordSnapshot

_INDEX_HEADER_BYTES = 48  # https://www.sqlite.org/walformat.html, section 2.1
_ENTRY = Column(EntryResult)  # a part of a stored result
_SUBMISSION = "SELECT hotkey, block, competition, value FROM submission"
_RECEIPT_OF_ROUND = (
    "FROM receipt JOIN outcome ON outcome.id = outcome_id JOIN round ON round.id = round_id"
    " WHERE competition = ? AND sync_block = ?"
)


class SqliteRecordReader:
    """Reader of the database at ``path``, which a validator may be writing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def snapshot(self) -> Iterator[SqliteSnapshot]:
        # The errors of all reads of a page are translated here.
        with translated(self._path), reading_current(self._path) as db:
            if db is None:
                raise StateUnavailable(f"{self._path} is empty; start the validator first")
            yield SqliteSnapshot(db)

    def identity(self) -> str:
        with suppress(OSError):
            seen = self._path.stat()
            return f"{seen.st_dev}.{seen.st_ino}"
        return ""

    def stamp(self) -> str:
        log, index = (self._path.with_name(self._path.name + end) for end in ("-wal", "-shm"))
        found = []
        with suppress(OSError):
            found.append(_identity(self._path.stat()))
        with suppress(OSError):
            # Reading a database at rest makes an empty log and an index, and removes them again.
            if (seen := log.stat()).st_size > 0:
                found.append(_identity(seen))
                # Two commits within one tick of the disk's clock differ in the index's header.
                with index.open("rb") as file:
                    found.append(file.read(_INDEX_HEADER_BYTES).hex())
        return "-".join(found)


def _identity(seen: os.stat_result) -> str:
    return f"{seen.st_ino}.{seen.st_size}.{seen.st_mtime_ns}"


class SqliteSnapshot:
    """One transaction of a connection that only reads."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def finished(self, *, after: int, limit: int) -> Sequence[int]:
        found = self._db.execute(
            "SELECT id FROM round WHERE id > ? AND status = 'finished' ORDER BY id LIMIT ?",
            (after, limit),
        )
        return [row for (row,) in found]

    def newest_judged(self, competition: CompetitionId) -> int | None:
        found = self._db.execute(
            "SELECT id FROM round WHERE competition = ? AND status = 'finished'"
            " AND result ->> '$.skipped' IS NULL ORDER BY sync_block DESC LIMIT 1",
            (competition,),
        ).fetchone()
        return None if found is None else int(found[0])

    def result(self, row: int) -> RoundResult:
        found = self._db.execute(
            "SELECT result FROM round WHERE id = ? AND status = 'finished'", (row,)
        ).fetchone()
        if found is None:
            raise LookupError(f"row {row} is not of a finished round")
        return RESULT.load(found[0])

    def entry(self, row: int, key: EntryKey) -> ListedEntry | None:
        found = self._db.execute(
            "SELECT e.key, e.value, (SELECT count(*) FROM json_each(result, '$.entries') AS other"
            " WHERE other.value ->> '$.verdict' = 'scored')"
            " FROM round, json_each(result, '$.entries') AS e WHERE round.id = ?"
            " AND e.value ->> '$.key[0]' = ? AND e.value ->> '$.key[1]' = ?",
            (row, key.hotkey, key.block),
        ).fetchone()
        if found is None:
            return None
        index, value, num_scored = found
        return ListedEntry(entry=_ENTRY.load(value), index=index, num_scored=num_scored)

    def under_way(self) -> Sequence[RoundUnderWay]:
        keys = self._db.execute(
            "SELECT competition, sync_block FROM round WHERE status = 'open'"
            " ORDER BY sync_block, competition"
        ).fetchall()
        found = []
        for competition, sync in keys:
            opened = rounds.plan_of(self._db, RoundKey(CompetitionId(competition), Block(sync)))
            if opened is None:
                raise CodecError(f"an open round of {competition} at {sync} has no plan")
            row, plan = opened
            counted = self._db.execute(
                "SELECT hotkey, block, count(*) FROM journal WHERE round_id = ?"
                " GROUP BY hotkey, block",
                (row,),
            )
            found.append(
                RoundUnderWay(
                    row=row,
                    plan=plan,
                    outcomes=journal.outcomes(self._db, row),
                    num_blocks={EntryKey(Hotkey(h), Block(b)): n for h, b, n in counted},
                )
            )
        return found

    def plan(self, round_: RoundKey) -> RoundPlan | None:
        found = rounds.plan_of(self._db, round_)
        return None if found is None else found[1]

    def signers(self, row: int) -> SampleSigners | None:
        found = self._db.execute(
            "SELECT json_extract(plan, '$.signers') FROM round WHERE id = ?", (row,)
        ).fetchone()
        return None if found is None or found[0] is None else SIGNERS.load(found[0])

    def drawn(self, round_: RoundKey) -> Sequence[DrawnRows]:
        return rounds.drawn(self._db, round_)

    def losses(self, row: int, entry: EntryKey) -> Sequence[BlockLosses]:
        return journal.losses_in(self._db, row, entry)

    def receipt_keys(self, round_: RoundKey) -> Sequence[EntryKey]:
        found = self._db.execute(
            f"SELECT hotkey, block {_RECEIPT_OF_ROUND} ORDER BY outcome_id",
            (round_.competition, round_.sync_block),
        )
        return [EntryKey(Hotkey(hotkey), Block(block)) for hotkey, block in found]

    def receipt(self, round_: RoundKey, entry: EntryKey) -> SignedReceipt | None:
        found = self._db.execute(
            f"SELECT document, validator, receipt.signature {_RECEIPT_OF_ROUND}"
            " AND hotkey = ? AND block = ?",
            (round_.competition, round_.sync_block, entry.hotkey, entry.block),
        ).fetchone()
        if found is None:
            return None
        return SignedReceipt(document=found[0], hotkey=Hotkey(found[1]), signature=found[2])

    def statement(self, round_: RoundKey) -> SignedReceipt | None:
        return cold_start.statement(self._db, round_)

    def signed(self) -> Signed | None:
        found = self._db.execute(
            "SELECT document, validator FROM statement ORDER BY round_id DESC LIMIT 1"
        ).fetchone()
        if found is None:
            return None
        try:
            document = json.loads(found[0])
            return Signed(
                validator=Hotkey(found[1]),
                code_version=str(document["code_version"]),
                schedule_fingerprint=Digest(str(document["schedule_fingerprint"])),
            )
        except (ValueError, LookupError, TypeError) as error:
            raise CodecError(f"the newest statement: {error}") from error

    def submission(self, key: EntryKey) -> Submission | None:
        found = self._db.execute(
            f"{_SUBMISSION} WHERE hotkey = ? AND block = ?", (key.hotkey, key.block)
        ).fetchone()
        return None if found is None else load_submission(*found)

    def submissions_of(self, hotkey: Hotkey, *, limit: int) -> Sequence[Submission]:
        found = self._db.execute(
            f"{_SUBMISSION} WHERE hotkey = ? ORDER BY block DESC LIMIT ?", (hotkey, limit)
        )
        return [load_submission(*row) for row in found]

    def newest_submissions(
        self, competition: CompetitionId | None, *, skip: int, limit: int
    ) -> Sequence[Submission]:
        found = self._db.execute(
            f"{_SUBMISSION} WHERE ?1 IS NULL OR competition = ?1"
            " ORDER BY block DESC, hotkey LIMIT ?2 OFFSET ?3",
            (competition, limit, skip),
        )
        return [load_submission(*row) for row in found]

    def num_submissions(self, competition: CompetitionId | None) -> int:
        found = self._db.execute(
            "SELECT count(*) FROM submission WHERE ?1 IS NULL OR competition = ?1", (competition,)
        ).fetchone()
        return int(found[0])

    def search(self, text: str, *, limit: int) -> Sequence[Submission]:
        # instr and not LIKE: the text may contain wildcards.
        found = self._db.execute(
            f"{_SUBMISSION} WHERE instr(lower(hotkey), ?1)"
            " OR instr(lower(json_extract(value, '$.commitment.model.repo')), ?1)"
            " ORDER BY block DESC, hotkey LIMIT ?2",
            (text.lower(), limit),
        )
        return [load_submission(*row) for row in found]

    def weights(self, *, limit: int) -> Sequence[WeightsRecord]:
        found = self._db.execute(
            "SELECT sync_block, extrinsic, value FROM weights ORDER BY sync_block DESC LIMIT ?",
            (limit,),
        )
        return [load_weights(*row) for row in found]

    def beginning(self) -> Beginning | None:
        return cold_start.beginning(self._db)


if TYPE_CHECKING:
    _reader: RecordReader = SqliteRecordReader(Path("state.sqlite"))
    _snapshot: RecordSnapshot = SqliteSnapshot(sqlite3.connect(":memory:"))
