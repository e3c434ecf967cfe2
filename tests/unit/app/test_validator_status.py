"""``sn37 status``: a validator seen from another process, whatever state it is in."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.leaderboard.block_times import BlockTimes
from sn37.app.status.run_report import (
    FRESH_S,
    RUN_REPORT,
    ReportedEntry,
    ReportedOutage,
    Reporter,
    RunReport,
    pid_namespace,
    read_report,
)
from sn37.app.status.validator_status import (
    Life,
    Recorded,
    Seen,
    ValidatorStatus,
    read_record,
    validator_status,
)
from sn37.app.supervision.current_work import CurrentWork
from sn37.app.supervision.health import HealthBoard
from sn37.domain.disk.free_space import LOW_BYTES
from sn37.domain.events import (
    BlockScored,
    EntryFinished,
    EntryStarted,
    LeaderboardServed,
    SetUpAdvanced,
)
from sn37.domain.ids import Block
from sn37.domain.reasons import Reason
from sn37.domain.submission.submission import Verdict
from sn37.domain.weights.overdue import GRACE_BLOCKS
from sn37.testing.builders import (
    a_commitment,
    a_competition,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_schedule,
    a_stage,
    a_submission,
    a_weights_record,
    an_entry_result,
    every_event,
)
from sn37.testing.fakes.clock import FakeClock
from sn37.testing.telemetry_contract import EventSinkContract

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SCHEDULE = a_schedule(a_stage(a_competition(1, name="FIRST")))
ALICE, BOB = a_commitment("alice", 100), a_commitment("bob", 200)
WEIGHTS = replace(a_weights_record(Block(720)), sent_at=Block(731), extrinsic="731-2")
REPORT = RunReport(
    written_at=NOON,
    pid=7,
    pid_namespace=pid_namespace(),
    version="0.1.0",
    started_at=NOON - timedelta(hours=3),
    block=1_300,
    block_age_s=4.0,
)
SEEN = Seen(
    state_dir="state",
    network="test",
    is_held=True,
    report=REPORT,
    record=Recorded(weights=WEIGHTS, begun=Block(300)),
    fault="",
    schedule=SCHEDULE,
    times=BlockTimes([(Block(1_300), NOON)]),
    now=NOON + timedelta(seconds=2),
    free_bytes=10 * LOW_BYTES,
)


def look(report: RunReport | None = REPORT, **changes: Any) -> ValidatorStatus:
    return validator_status(replace(SEEN, report=report, **changes))


class TestWorkAsSink(EventSinkContract):
    def sink(self) -> CurrentWork:
        return CurrentWork()

    def broken_sink(self) -> CurrentWork:
        return self.sink()  # it has no destination


# --- whether it runs ----------------------------------------------------------------------------


def test_a_healthy_validator_has_its_block_its_next_round_and_no_problem() -> None:
    found = look()
    assert (found.life, found.problems, found.is_healthy) == (Life.RUNNING, (), True)
    assert found.block is not None
    assert found.next_round is not None
    assert (found.block.block, found.block_age_s) == (1_300, 6.0)
    assert found.next_round.block == 1_440
    assert found.next_round.at == NOON + timedelta(seconds=140 * 12)
    assert found.weights is not None
    assert found.weights.age_blocks == 1_300 - 731


def test_one_that_was_killed_is_shown_with_when_it_was_last_seen() -> None:
    found = look(is_held=False)
    assert (found.life, found.ended, found.last_seen) == (Life.ENDED, "killed", NOON)
    assert found.problems == ("the validator does not run",)
    assert (found.pid, found.since, found.steps, found.next_round) == (None, None, (), None)


@pytest.mark.parametrize("ended", ["finished", "stopped", "failed"])
def test_one_that_ended_says_how(ended: str) -> None:
    found = look(replace(REPORT, ended=ended), is_held=False)
    assert (found.life, found.ended) == (Life.ENDED, ended)


@pytest.mark.parametrize("is_held", [False, None])
def test_one_in_another_container_runs_while_its_reports_are_fresh(is_held: bool | None) -> None:
    report = replace(REPORT, pid_namespace="pid:[1]")
    assert look(report, is_held=is_held).life is Life.RUNNING
    later = NOON + timedelta(seconds=FRESH_S + 1)
    assert look(report, is_held=is_held, now=later).life is Life.ENDED


@pytest.mark.parametrize("report", [None, replace(REPORT, ended="stopped")])
def test_one_that_has_the_state_and_no_report_yet_is_starting(report: RunReport | None) -> None:
    found = look(report)
    assert found.life is Life.STARTING
    assert found.problems == ("it has not reported yet",)


# --- health -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        (replace(REPORT, not_ready="no block has been seen yet"), "no block has been seen yet"),
        (replace(REPORT, loop_silent_s=61.0), "nothing has moved for 61 s"),
        (
            replace(REPORT, degraded={"chain": ReportedOutage(since=NOON, error="refused\nit")}),
            "chain fails since 2026-01-02 12:00 UTC: refused it",
        ),
        (
            replace(REPORT, written_at=NOON - timedelta(seconds=60)),
            "its newest report is 62 s old: the disk refuses it, or the process hangs",
        ),
    ],
)
def test_a_problem_of_a_running_one_is_named(report: RunReport, problem: str) -> None:
    found = look(report)
    assert (found.life, found.problems) == (Life.RUNNING, (problem,))


def test_a_disk_that_is_nearly_full_is_a_problem() -> None:
    assert look(free_bytes=LOW_BYTES - 1).problems == ("the disk is nearly full: 512 MiB free",)
    assert look(free_bytes=None).problems == ()


LATE = Block(720 + 2 * SCHEDULE.timing.cadence + GRACE_BLOCKS)


@pytest.mark.parametrize(
    ("block", "changes", "is_overdue"),
    [
        (LATE - 1, {}, False),
        (LATE, {}, True),
        (LATE, {"offline": True}, False),
        (LATE, {"warm_up_rounds_left": {"1": 3}}, False),
    ],
)
def test_overdue_weights_are_a_problem(
    block: int, changes: dict[str, Any], is_overdue: bool
) -> None:
    report = replace(REPORT, block=block, **changes)
    found = look(report, times=BlockTimes())
    assert ("weights are overdue" in found.problems) is is_overdue


def test_weights_that_were_never_sent_are_overdue_after_the_first_round() -> None:
    first = SCHEDULE.timing.next_sync_block(Block(300))
    due = first + SCHEDULE.timing.cadence + GRACE_BLOCKS
    for block, problems in ((due - 1, ()), (due, ("weights are overdue",))):
        record, times = Recorded(begun=Block(300)), BlockTimes()
        assert look(replace(REPORT, block=block), record=record, times=times).problems == problems


def test_a_record_that_cannot_be_read_does_not_hide_the_report() -> None:
    found = look(record=Recorded(), fault="state.sqlite is damaged")
    assert found.problems == ("the record cannot be read: state.sqlite is damaged",)
    assert found.life is Life.RUNNING


# --- what it does -------------------------------------------------------------------------------


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """A validator's folder, which is open: a judged round, one under way, and weights."""
    store = SqliteStateStore(tmp_path / "state.sqlite")
    waiting = an_entry_result(BOB.key, verdict=Verdict.WAITING, reason=Reason.QUEUED)

    async def record() -> None:
        await store.save_submissions([a_submission(ALICE), a_submission(BOB)])
        plan = a_round_plan(a_round_key(1, 720), champion=ALICE.key, entries=[ALICE.key])
        await store.open_round(plan)
        rows = (an_entry_result(ALICE.key), waiting)
        result = a_round_result(plan.key, sync=plan.sync, champion=ALICE.key, entries=rows)
        await store.finish_round(result, [])
        missed = a_round_key(1, 1_080)
        await store.finish_round(a_round_result(missed, skipped=Reason.ABSENT), [])
        await store.open_round(a_round_plan(a_round_key(1, 1_440), entries=[ALICE.key, BOB.key]))
        await store.record_weights(WEIGHTS)

    asyncio.run(record())
    yield tmp_path
    asyncio.run(store.close())


def test_the_record_gives_rounds_queue_and_weights(state_dir: Path) -> None:
    with SqliteRecordReader(state_dir / "state.sqlite").snapshot() as snapshot:
        record = read_record(snapshot, SCHEDULE)
    entry = ReportedEntry(
        competition=1, sync_block=1_440, hotkey="bob", committed=200, blocks_done=3, num_blocks=20
    )
    found = look(replace(REPORT, block=1_450, scoring=entry), record=record)
    (competition,) = found.competitions
    assert (competition.name, competition.champion, competition.num_waiting) == (
        *("FIRST", "alice"),
        1,
    )
    assert competition.newest_round is not None
    assert competition.newest_round.block == 720  # the missed one does not count
    opened = competition.open_round
    assert opened is not None
    assert (opened.num_done, opened.num_entries, opened.entry) == (0, 2, "bob")
    assert (opened.blocks_done, opened.num_blocks) == (3, 20)
    another = replace(entry, sync_block=1_080)
    (competition,) = look(replace(REPORT, block=1_450, scoring=another), record=record).competitions
    assert competition.open_round is not None
    assert competition.open_round.blocks_done is None


def test_the_report_follows_the_entry_that_is_scored() -> None:
    work = CurrentWork()
    started, scored, finished = (
        next(e for e in every_event() if isinstance(e, kind))
        for kind in (EntryStarted, BlockScored, EntryFinished)
    )
    seen = []
    for event in (started, scored, finished):
        work.emit(event)
        seen.append(work.document()["scoring"])
    assert [s and s["blocks_done"] for s in seen if s is None or isinstance(s, dict)] == [
        1,
        2,
        None,
    ]


def test_a_preparation_and_the_pages_are_reported() -> None:
    work = CurrentWork()
    work.emit(SetUpAdvanced(what="base model", done=1, total=2))
    work.emit(LeaderboardServed(address="http://127.0.0.1:8037/"))
    assert work.document()["set_up"] == {"what": "base model", "done": 1, "total": 2}
    work.emit(SetUpAdvanced(what="base model", done=2, total=2))
    assert work.document()["set_up"] is None
    assert work.document()["leaderboard"] == "http://127.0.0.1:8037/"


# --- the file -----------------------------------------------------------------------------------


def write_report(folder: Path, **changes: object) -> None:
    board, work = HealthBoard(clock=FakeClock()), CurrentWork()
    for event in every_event():
        board.emit(event)
        work.emit(event)
    page = board.document(silent_s=0.0)
    report = Reporter(page=lambda: (True, page), work=work, offline=False).document()
    at = {"written_at": datetime.now(UTC).isoformat(), "ended": None}
    content = json.dumps({**report, **at, **changes})
    (folder / RUN_REPORT).write_text(content, encoding="utf-8")


def test_what_a_validator_reports_is_read_back(tmp_path: Path) -> None:
    write_report(tmp_path)
    found = read_report(tmp_path)
    assert found is not None
    assert (found.block, found.pid, found.ended) == (1_000, os.getpid(), None)
    assert found.pid_namespace == pid_namespace()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"written_at": "2026-01-02T12:00:00"}', "\x00" * 100]
)
def test_a_file_that_is_not_a_report_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / RUN_REPORT).write_text(content)
    assert read_report(tmp_path) is None


# --- the command --------------------------------------------------------------------------------


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(main.app, ["status", *arguments], prog_name="sn37")
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_an_empty_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "--state-dir", str(tmp_path))
    assert (code, out) == (1, "")
    assert err == f"error: no validator has run in {tmp_path}; name its folder with --state-dir\n"


def test_a_running_validator_is_shown_and_not_delayed(
    state_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(state_dir, degraded={}, not_ready="")
    monkeypatch.setattr("fcntl.flock", pytest.fail)  # not even for a moment
    code, out, err = call(capsys, "--network", "test", "--state-dir", str(state_dir))
    assert err == ""
    assert out.startswith("validator   running since ")
    assert "weights     of the round of block 720, sent at block 731" in out
    assert out.endswith("health      ok\n")
    assert code == 0


def test_a_killed_validator_is_shown_from_what_it_left(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(state_dir)
    (state_dir / "state.sqlite.lock").write_text("999999999\n")  # a process that is gone
    code, out, _ = call(capsys, "--network", "test", "--state-dir", str(state_dir))
    assert code == 1
    assert out.startswith("validator   not running: killed, last seen 20")
    assert "problem     the validator does not run" in out


def test_programs_get_the_same_as_json(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outage = {"since": NOON.isoformat(), "error": "refused"}
    write_report(state_dir, degraded={"chain": outage})
    code, out, _ = call(capsys, "--network", "test", "--state-dir", str(state_dir), "--json")
    found = json.loads(out)
    assert (found["life"], found["is_healthy"], code) == ("running", False, 1)
    assert found["weights"]["extrinsic"] == "731-2"
    assert found["outages"][0]["what"] == "chain"


def test_a_database_of_another_version_is_a_problem_and_the_report_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"not a database at all" * 100)
    write_report(tmp_path, ended="failed")
    code, out, _ = call(capsys, "--network", "test", "--state-dir", str(tmp_path))
    assert code == 1
    assert "not running: failed" in out
    assert "problem     the record cannot be read: " in out


def test_from_needs_a_hotkey(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "--from", "http://127.0.0.1:1")
    assert code == 2
    assert err.startswith("error: --from http://127.0.0.1:1: name the hotkey")


def test_a_hotkey_of_another_form_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "alice")
    assert code == 2
    assert err == (
        "error: 'alice' is not a hotkey's address: expected 48 letters and digits, such as 5F...\n"
    )
