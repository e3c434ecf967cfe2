"""Sending the rounds of a record: each once, whatever fails."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.adapters.telemetry.run_ledger import FileLedger
from sn37.app.tracking.recorded_rounds import RecordedRounds
from sn37.app.tracking.sender import PAUSES_S, RoundSender
from sn37.domain.ids import Block, Hotkey, RoundKey, Uid
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ColdStart, ScoredLater
from sn37.ports.errors import StateUnavailable, TrackerUnavailable
from sn37.ports.run_tracker import RunRow
from sn37.testing.builders import (
    a_beginning,
    a_round_key,
    a_round_result,
    a_signed_receipt,
    an_entry_result,
)
from sn37.testing.fakes import FakeClock
from sn37.testing.fakes.run_tracker import FakeTracker
from sn37.testing.run_tracker_contract import RunTrackerContract
from tests.support.boards import EACH, TIMES, Recorded, crowned, two_competitions, write_long

OURS = Hotkey("5Validator")
UIDS: Mapping[Hotkey, Uid] = {crowned(0): Uid(7), crowned(1): Uid(9), OURS: Uid(3)}


class TestFakeTracker(RunTrackerContract):
    @pytest.fixture(autouse=True)
    def _fake(self) -> None:
        self._tracker = FakeTracker()

    def tracker(self) -> FakeTracker:
        return self._tracker

    def rows(self, run_id: str) -> Sequence[RunRow]:
        return self._tracker.rows[run_id]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return asyncio.run(write_long(tmp_path_factory.mktemp("long") / "state.sqlite"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Twelve rounds of each competition, without losses."""
    path = tmp_path_factory.mktemp("plain") / "state.sqlite"

    async def write() -> None:
        store = SqliteStateStore(path)
        for number in range(2, 14):
            await finish(store, a_round_key(1, 360 * number), a_round_key(2, 360 * number))
        await store.close()

    asyncio.run(write())
    return Recorded(path, two_competitions())


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[SqliteStateStore, Recorded]]:
    path = tmp_path / "state.sqlite"
    store = SqliteStateStore(path)
    asyncio.run(store.save_submissions([]))
    yield store, Recorded(path, two_competitions())
    asyncio.run(store.close())


def rounds_of(record: Recorded) -> RecordedRounds:
    return RecordedRounds(
        SqliteRecordReader(record.path),
        schedule=record.schedule,
        times=lambda: TIMES,
        uids=lambda block: UIDS,
    )


def sender_of(
    record: Recorded,
    ledger: Path,
    tracker: FakeTracker,
    *,
    told: list[str] | None = None,
    clock: FakeClock | None = None,
    rows_per_run: int = 100,
) -> RoundSender:
    return RoundSender(
        rounds=rounds_of(record),
        ledger=FileLedger(ledger),
        tracker=tracker,
        clock=clock or FakeClock(),
        tell=([] if told is None else told).append,
        rows_per_run=rows_per_run,
    )


def sent(tracker: FakeTracker) -> list[tuple[int, int]]:
    """The rounds that a tracker has, in the order of its runs and rows."""
    return [
        (int(str(row["step_competition_id"])), int(str(row["block"])))
        for rows in tracker.rows.values()
        for row in rows
    ]


def recorded(record: Recorded) -> list[tuple[int, int]]:
    with closing(sqlite3.connect(record.path)) as db:
        found = db.execute("SELECT competition, sync_block FROM round WHERE status = 'finished'")
        return sorted(found.fetchall(), key=lambda key: (key[1], key[0]))


async def finish(store: SqliteStateStore, *keys: RoundKey) -> None:
    for key in keys:
        entry = an_entry_result()
        await store.finish_round(a_round_result(key, champion=entry.key, entries=(entry,)))


async def test_every_round_of_all_competitions_is_sent_once_in_order(
    long: Recorded, tmp_path: Path
) -> None:
    tracker = FakeTracker()
    sender = sender_of(long, tmp_path / "sent.jsonl", tracker)
    assert await sender.send() == 2 * EACH
    assert await sender.send() == 0
    assert sent(tracker) == recorded(long)


async def test_runs_rotate_after_so_many_rows(plain: Recorded, tmp_path: Path) -> None:
    tracker = FakeTracker()
    await sender_of(plain, tmp_path / "sent.jsonl", tracker, rows_per_run=10).send()
    assert [len(rows) for rows in tracker.rows.values()] == [10, 10, 4]
    assert sent(tracker) == recorded(plain)
    assert len({run.name for run in tracker.runs.values()}) == 3


async def test_a_restart_continues_the_run(
    small: tuple[SqliteStateStore, Recorded], tmp_path: Path
) -> None:
    (store, record), tracker, ledger = small, FakeTracker(), tmp_path / "sent.jsonl"
    await finish(store, a_round_key(1, 720), a_round_key(2, 720))
    await sender_of(record, ledger, tracker).send()
    await finish(store, a_round_key(1, 1080))
    assert await sender_of(record, ledger, tracker).send() == 1
    assert len(tracker.runs) == 1
    assert sent(tracker) == [(1, 720), (2, 720), (1, 1080)]


async def test_a_round_that_finishes_after_a_later_one_is_not_lost(
    small: tuple[SqliteStateStore, Recorded], tmp_path: Path
) -> None:
    (store, record), tracker = small, FakeTracker()
    sender = sender_of(record, tmp_path / "sent.jsonl", tracker)
    await finish(store, a_round_key(1, 1080))
    await sender.send()
    await finish(store, a_round_key(2, 720))
    await sender.send()
    assert sent(tracker) == [(1, 1080), (2, 720)]


async def test_a_run_that_is_full_is_proven_before_it_is_left(
    plain: Recorded, tmp_path: Path
) -> None:
    tracker = FakeTracker(num_swallowed=5)  # the end of the first run is lost without an error
    ledger = tmp_path / "sent.jsonl"
    await sender_of(plain, ledger, tracker, rows_per_run=10).send()
    assert sent(tracker) == recorded(plain)
    assert [held.is_complete for held in FileLedger(ledger).runs()] == [True, True, False]


async def test_a_tracker_that_loses_everything_is_reported(plain: Recorded, tmp_path: Path) -> None:
    tracker = FakeTracker(num_swallowed=10**9)
    with pytest.raises(TrackerUnavailable, match="still lacks rows after 5 deliveries"):
        await sender_of(plain, tmp_path / "sent.jsonl", tracker).send()


@settings(
    deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    takes=st.lists(st.one_of(st.none(), st.integers(0, 15)), max_size=5),
    swallowed=st.integers(0, 30),
    rows_per_run=st.sampled_from([1, 5, 12, 100]),
    restarts=st.booleans(),
)
async def test_no_failure_loses_or_repeats_a_round(
    plain: Recorded,
    tmp_path_factory: pytest.TempPathFactory,
    takes: list[int | None],
    swallowed: int,
    rows_per_run: int,
    restarts: bool,
) -> None:
    ledger = tmp_path_factory.mktemp("ledger") / "sent.jsonl"
    tracker = FakeTracker(num_swallowed=swallowed)
    tracker.fail(takes)
    sender = sender_of(plain, ledger, tracker, rows_per_run=rows_per_run)
    for _ in range(len(takes) + 10):
        try:
            await sender.send()
            break
        except TrackerUnavailable:
            if restarts:
                sender = sender_of(plain, ledger, tracker, rows_per_run=rows_per_run)
    assert sent(tracker) == recorded(plain)


async def test_a_missed_round_has_a_row_and_another_when_it_is_scored_later(
    small: tuple[SqliteStateStore, Recorded], tmp_path: Path
) -> None:
    (store, record), tracker = small, FakeTracker()
    sender = sender_of(record, tmp_path / "sent.jsonl", tracker)
    key = a_round_key(1, 720)
    missed = a_round_result(key, champion=None, skipped=Reason.DATA_UNAVAILABLE, entries=())
    await store.finish_round(missed)
    assert await sender.send() == 1
    later = ScoredLater(source=Hotkey("5Other"), after=Block(1080), at=Block(1090))
    await write_later(record.path, replace(missed, later=later, entries=(an_entry_result(),)))
    assert await sender.send() == 1
    (rows,) = tracker.rows.values()
    stories = [json.loads(str(row["round_json"])) for row in rows]
    assert [story["status"] for story in stories] == ["missed", "scored later"]
    assert [len(story["entries"]) for story in stories] == [0, 1]
    assert rows[0]["competition_1/missed"] == 1
    assert rows[1]["competition_1/scored_later"] == 1


async def test_adopted_rounds_are_another_validators_and_are_not_sent(
    small: tuple[SqliteStateStore, Recorded], tmp_path: Path
) -> None:
    (store, record), tracker = small, FakeTracker()
    await store.begin(a_beginning(ColdStart.RECEIPTS, block=1000))
    await finish(store, a_round_key(1, 720), a_round_key(1, 1080))
    await sender_of(record, tmp_path / "sent.jsonl", tracker).send()
    assert sent(tracker) == [(1, 1080)]


async def test_a_run_is_named_by_uid_and_time_and_says_whose_it_is(
    small: tuple[SqliteStateStore, Recorded], tmp_path: Path
) -> None:
    (store, record), tracker = small, FakeTracker()
    await finish(store, a_round_key(1, 720))
    sign(record.path, version="1.2.3")
    await sender_of(record, tmp_path / "sent.jsonl", tracker).send()
    (run,) = tracker.runs.values()
    at = TIMES.at(720)
    assert at is not None
    assert run.started == at.strftime("%Y-%m-%d_%H-%M-%S")
    assert run.name == f"validator-3-{run.started}"
    assert (run.uid, run.hotkey, run.version) == (3, OURS, "1.2.3")


async def test_another_version_or_hotkey_begins_another_run(
    small: tuple[SqliteStateStore, Recorded], tmp_path: Path
) -> None:
    (store, record), tracker = small, FakeTracker()
    sender = sender_of(record, tmp_path / "sent.jsonl", tracker)
    for block, version, validator in (
        (720, "1.0", OURS),
        (1080, "1.0", OURS),
        (1440, "1.1", OURS),
        (1800, "1.1", Hotkey("5Another")),
    ):
        await finish(store, a_round_key(1, block))
        sign(record.path, version=version, validator=validator)
        await sender.send()
    assert [(run.version, run.hotkey) for run in tracker.runs.values()] == [
        ("1.0", OURS),
        ("1.1", OURS),
        ("1.1", "5Another"),
    ]
    assert [run.uid for run in tracker.runs.values()] == [3, 3, None]
    assert list(tracker.runs.values())[-1].name.startswith("validator-unknown-")


async def test_an_outage_is_told_once_and_the_rounds_are_sent_after_it(
    plain: Recorded, tmp_path: Path
) -> None:
    tracker, clock, told = FakeTracker(), FakeClock(), list[str]()
    tracker.fail([0, 0, 0, 5])
    sender = sender_of(plain, tmp_path / "sent.jsonl", tracker, told=told, clock=clock)
    await until(sender, lambda: sent(tracker) == recorded(plain) and len(told) == 3)
    assert told[0] == "the tracker is down; the rounds are sent later"
    assert told[1] == "the tracker stopped in the middle; the rounds are sent later"
    assert "24 rows, 19 of them new" in told[2]
    assert clock.sleeps[:4] == [PAUSES_S.after(n) for n in (1, 2, 3, 4)]


async def test_a_record_that_cannot_be_read_yet_is_waited_for(
    plain: Recorded, tmp_path: Path
) -> None:
    tracker, told = FakeTracker(), list[str]()
    absent = Recorded(tmp_path / "state.sqlite", plain.schedule)
    sender = sender_of(absent, tmp_path / "sent.jsonl", tracker, told=told)

    def is_done() -> bool:
        if told and not absent.path.exists():
            absent.path.write_bytes(plain.path.read_bytes())
        return len(sent(tracker)) == 24

    await until(sender, is_done)
    assert "no validator has run" in told[0]


async def test_a_record_at_rest_is_read_once(
    small: tuple[SqliteStateStore, Recorded], tmp_path: Path
) -> None:
    (store, record), tracker, clock = small, FakeTracker(), FakeClock()
    await finish(store, a_round_key(1, 720))
    sender = sender_of(record, tmp_path / "sent.jsonl", tracker, clock=clock)
    await until(sender, lambda: len(clock.sleeps) == 20)
    assert tracker.num_deliveries == 2  # one that sends, one that proves


async def test_a_restored_backup_sends_what_was_recorded_again(
    small: tuple[SqliteStateStore, Recorded], tmp_path: Path
) -> None:
    (store, record), tracker = small, FakeTracker()
    sender = sender_of(record, tmp_path / "sent.jsonl", tracker)
    await finish(store, a_round_key(1, 720))
    await sender.send()
    await store.close()
    other = SqliteStateStore(tmp_path / "other.sqlite")
    await finish(other, a_round_key(2, 720), a_round_key(1, 720))
    await other.close()
    (tmp_path / "other.sqlite").rename(record.path)
    assert await sender.send() == 1
    assert sent(tracker) == [(1, 720), (2, 720)]


async def test_a_ledger_on_a_full_disk_sends_nothing(plain: Recorded, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    tracker = FakeTracker()
    with pytest.raises(StateUnavailable):
        await sender_of(plain, tmp_path / "file" / "sent.jsonl", tracker).send()
    assert tracker.runs == {}


async def until(sender: RoundSender, is_done: object) -> None:
    """Follow until something is so, at most for a few thousand turns of the event loop."""
    assert callable(is_done)
    following = asyncio.ensure_future(sender.follow())
    for _ in range(3_000):
        await asyncio.sleep(0)
        if is_done() or following.done():
            break
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert is_done()


async def write_later(path: Path, result: object) -> None:
    from sn37.adapters.sqlite.stored import RESULT
    from sn37.domain.round.state import RoundResult

    assert isinstance(result, RoundResult)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE round SET result = ?", (RESULT.dump(result),))


def sign(path: Path, *, version: str, validator: Hotkey = OURS) -> None:
    """Write a statement on the newest round, as far as it is read here."""
    document = {"code_version": version, "schedule_fingerprint": "f" * 64}
    signed = a_signed_receipt()
    with closing(sqlite3.connect(path)) as db, db:
        (row,) = db.execute("SELECT max(id) FROM round").fetchone()
        db.execute(
            "INSERT INTO statement VALUES (?, ?, ?, ?)",
            (row, validator, json.dumps(document).encode(), signed.signature),
        )
