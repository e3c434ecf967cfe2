"""Reading a record for pages: refusals, and what a snapshot must not see or do."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.sqlite.schema import VERSION
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.ports.errors import StateUnavailable, StateUnreadable
from sn37.ports.record_reader import RecordReader
from sn37.ports.state_store import StateStore
from sn37.testing.builders import (
    a_round_key,
    a_round_plan,
    a_round_result,
    an_entry_key,
    an_outcome,
    losses,
)
from sn37.testing.record_reader_contract import RecordReaderContract


class TestSqliteRecordReader(RecordReaderContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "state.sqlite"

    def store(self) -> StateStore:
        return SqliteStateStore(self.path)

    def reader(self) -> RecordReader:
        return SqliteRecordReader(self.path)

    def missing(self) -> RecordReader:
        return SqliteRecordReader(self.path.with_name("none") / "state.sqlite")


def write(path: Path) -> None:
    async def steps() -> None:
        store = SqliteStateStore(path)
        plan = a_round_plan(a_round_key(1, 720))
        await store.open_round(plan)
        await store.append(plan.key, an_entry_key(), losses())
        await store.finish_entry(plan.key, an_outcome(), None)
        await store.open_round(a_round_plan(a_round_key(1, 1080)))
        await store.append(a_round_key(1, 1080), an_entry_key(), losses())
        await store.finish_round(a_round_result(plan.key))
        await store.close()

    asyncio.run(steps())


def read(path: Path) -> None:
    with SqliteRecordReader(path).snapshot():
        raise AssertionError("it was opened")


def test_a_record_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StateUnavailable, match=r"no validator has run .* --state-dir"):
        read(tmp_path / "state.sqlite")
    assert SqliteRecordReader(tmp_path / "state.sqlite").stamp() == ""


def test_a_record_of_a_newer_version_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    write(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StateUnreadable, match="upgrade sn37"):
        read(path)


def test_a_damaged_record_is_reported_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    write(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE round SET result = '{}' WHERE status = 'finished'")
    with pytest.raises(StateUnreadable, match="is damaged"):
        read_result(path)


def read_result(path: Path) -> None:
    with SqliteRecordReader(path).snapshot() as snapshot:
        snapshot.result(1)


def test_an_open_round_shows_how_far_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    write(path)
    with SqliteRecordReader(path).snapshot() as snapshot:
        (under_way,) = snapshot.under_way()
        assert under_way.plan.key == a_round_key(1, 1080)
        assert under_way.num_blocks == {an_entry_key(): 1}
        assert under_way.outcomes == {}
        assert snapshot.finished(after=0, limit=9) == [1]
        assert snapshot.losses(1, an_entry_key()) == (losses(),)
        with pytest.raises(LookupError):
            snapshot.result(2)


def test_a_snapshot_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    write(path)
    with SqliteRecordReader(path).snapshot() as snapshot:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            snapshot._db.execute("DELETE FROM round")
        assert len(snapshot.finished(after=0, limit=9)) == 1


def test_reading_does_not_change_the_stamp_and_writing_does(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    write(path)
    reader = SqliteRecordReader(path)
    at_rest = reader.stamp()
    with reader.snapshot() as snapshot:
        assert snapshot.num_submissions(None) == 0
    assert reader.stamp() == at_rest
    stamps = {at_rest}
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for number in range(20):  # many within one tick of the disk's clock
            db.execute("UPDATE round SET sync_block = sync_block + 1")
            stamps.add(reader.stamp())
            with reader.snapshot() as snapshot:
                snapshot.finished(after=number, limit=1)
            stamps.add(reader.stamp())
    assert len(stamps) == 21
