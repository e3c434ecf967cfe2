"""Telling operators what happened: every sink takes every event and never gets in the way."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from sn37.adapters.telemetry.console import ConsoleSink, LastingConsole
from sn37.adapters.telemetry.fanout import FanOut
from sn37.adapters.telemetry.jsonl import JsonlSink
from sn37.adapters.telemetry.tables import render_report
from sn37.domain.events import (
    BlockScored,
    EntryFinished,
    EntryStarted,
    Event,
    Recovered,
    SetUpAdvanced,
)
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import EntryResult
from sn37.domain.submission.submission import Verdict
from sn37.ports.telemetry import EventSink
from sn37.testing.builders import every_event
from sn37.testing.builders.rounds import a_round_key, a_round_result, an_entry_result, some_weights
from sn37.testing.telemetry_contract import EventSinkContract

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ALICE = EntryKey(Hotkey("alice"), Block(100))


def plain(text: io.StringIO, *, terminal: bool = False) -> Console:
    return LastingConsole(
        file=text, force_terminal=terminal, width=200, highlight=False, color_system=None
    )


class Closed(io.StringIO):
    def write(self, s: str, /) -> int:
        raise BrokenPipeError


class TestConsoleSink(EventSinkContract):
    def sink(self) -> EventSink:
        return ConsoleSink(plain(io.StringIO()), labels={})

    def broken_sink(self) -> EventSink:
        return ConsoleSink(plain(Closed()), labels={})


class TestConsoleSinkOnATerminal(EventSinkContract):
    def sink(self) -> EventSink:
        return ConsoleSink(plain(io.StringIO(), terminal=True), labels={})

    def broken_sink(self) -> EventSink:
        return ConsoleSink(plain(Closed(), terminal=True), labels={})


class TestJsonLinesSink(EventSinkContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def sink(self) -> EventSink:
        return JsonlSink(self.folder / "events.jsonl", now=lambda: NOON)

    def broken_sink(self) -> EventSink:
        return JsonlSink(self.folder, now=lambda: NOON)  # a folder takes no lines


class Broken:
    """A sink with a bug."""

    def __init__(self) -> None:
        self.num_events = 0

    def emit(self, event: Event) -> None:
        self.num_events += 1
        raise ZeroDivisionError


class TestFanOutSink(EventSinkContract):
    def sink(self) -> EventSink:
        return FanOut([ConsoleSink(plain(io.StringIO()), labels={})])

    def broken_sink(self) -> EventSink:
        return FanOut([Broken(), Broken()])


@pytest.mark.fault("telemetry", "down")
def test_a_broken_sink_keeps_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    text, broken = io.StringIO(), Broken()
    sink = FanOut([broken, ConsoleSink(plain(text), labels={})])
    for event in every_event():
        sink.emit(event)
    assert broken.num_events == len(every_event())
    assert "champion alice" in text.getvalue()
    assert len(caplog.records) == 1, "a broken sink is told once"


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_record_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = JsonlSink(tmp_path, now=lambda: NOON)
    for event in every_event():
        sink.emit(event)
    (record,) = caplog.records
    assert record.getMessage() == f"{tmp_path}: Is a directory; events are missing from it"
    assert sink.num_dropped == len(every_event())


def test_every_event_is_one_line_of_json(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path / "new" / "events.jsonl", now=lambda: NOON)
    for event in every_event():
        sink.emit(event)
    lines = lines_of(tmp_path / "new" / "events.jsonl")
    assert [line["event"] for line in lines] == [type(e).__name__ for e in every_event()]
    assert {line["at"] for line in lines} == {"2026-01-02T12:00:00+00:00"}
    assert sink.num_dropped == 0


def test_the_texts_of_samples_stay_out_of_the_record(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path / "events.jsonl", now=lambda: NOON)
    opened = next(e for e in every_event() if type(e).__name__ == "RoundOpened")
    sink.emit(opened)
    text = (tmp_path / "events.jsonl").read_text()
    assert "pool_digest" in text
    assert "reference" not in text


def test_a_journal_that_is_cut_meanwhile_goes_on_at_its_new_end(tmp_path: Path) -> None:
    sink, (first, second, *_) = (
        JsonlSink(tmp_path / "events.jsonl", now=lambda: NOON),
        every_event(),
    )
    sink.emit(first)
    os.truncate(tmp_path / "events.jsonl", 0)
    sink.emit(second)
    (line,) = lines_of(tmp_path / "events.jsonl")
    assert line["event"] == type(second).__name__


def test_a_score_that_is_no_number_is_recorded(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path / "events.jsonl", now=lambda: NOON)
    result = EntryResult(key=ALICE, repo="a/b", verdict=Verdict.SCORED, score=float("nan"))
    sink.emit(EntryFinished(round=a_round_key(), result=result))
    (line,) = lines_of(tmp_path / "events.jsonl")
    assert line["result"]["score"] == "nan"  # type: ignore[index]


def test_a_run_that_goes_on_appends(tmp_path: Path) -> None:
    for _ in range(2):
        sink = JsonlSink(tmp_path / "events.jsonl", now=lambda: NOON)
        sink.emit(every_event()[0])
        sink.close()
    assert len(lines_of(tmp_path / "events.jsonl")) == 2


def test_a_line_that_a_crash_cut_off_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "Head')
    JsonlSink(path, now=lambda: NOON).emit(every_event()[0])
    first, second = path.read_text().splitlines()
    assert first == '{"event": "Head'
    assert json.loads(second)["event"] == "SetUpAdvanced"


@pytest.mark.fault("telemetry", "flapping")
def test_what_a_full_disk_refuses_is_counted_and_spoils_no_other_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    sink = JsonlSink(path, now=lambda: NOON)
    write: Callable[[int, bytes], int] = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda file, data: write(file, data[:10]))
        sink.emit(every_event()[0])
    sink.emit(every_event()[1])
    assert sink.num_dropped == 1
    assert json.loads(path.read_text().splitlines()[-1])["event"] == "HeadAdvanced"


@pytest.mark.fault("telemetry", "slow")
def test_a_console_that_nobody_reads_holds_up_nobody_and_says_so_when_it_is_read_again() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as read, open(writer, "w") as written:  # noqa: PTH123 - descriptors
        os.set_blocking(writer, False)
        with suppress(BlockingIOError):
            while os.write(writer, b"." * 4_096):
                pass
        os.set_blocking(writer, True)
        sink = ConsoleSink(LastingConsole(file=written, width=80), labels={})
        sink.emit(every_event()[1])
        for event in every_event():
            sink.emit(event)
        os.read(reader, 1 << 20)
        sink.emit(Recovered(what="chain"))
        written.flush()
        said = os.read(read.fileno(), 4_096).decode().splitlines()
    num_events = len(every_event()) + 1
    assert said == [
        f"unread    {num_events} events while nothing could be shown",
        "recovered chain",
    ]


def test_labels_stand_for_hotkeys() -> None:
    text = io.StringIO()
    sink = ConsoleSink(plain(text), labels={Hotkey("alice"): "honest"})
    sink.emit(EntryFinished(round=a_round_key(), result=an_entry_result(ALICE)))
    assert text.getvalue().startswith("scored    honest@100: ")


def test_what_a_miner_writes_cannot_steer_the_terminal() -> None:
    text = io.StringIO()
    result = EntryResult(
        key=EntryKey(Hotkey("5\x1b[31mred[bold]"), Block(1)),
        repo="a/b",
        verdict=Verdict.REJECTED,
        reason=Reason.BAD_CONFIG,
        detail="\x1b]0;title\x07 [red]x[/red]\nsecond line",
    )
    ConsoleSink(plain(text), labels={}).emit(EntryFinished(round=a_round_key(), result=result))
    said = text.getvalue()
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert "[red]x[/red]" in said, "brackets are text, not colours"


def test_without_a_terminal_a_set_up_step_is_told_by_quarters() -> None:
    text = io.StringIO()
    sink = ConsoleSink(plain(text), labels={})
    for done in range(101):
        sink.emit(SetUpAdvanced(what="training", done=done, total=100))
    assert text.getvalue().splitlines() == [
        f"set-up    training: {done} of 100" for done in (0, 25, 50, 75, 100)
    ]


def test_on_a_terminal_the_entry_being_scored_has_a_bar() -> None:
    text = io.StringIO()
    sink = ConsoleSink(plain(text, terminal=True), labels={})
    round_ = a_round_key()
    sink.emit(EntryStarted(round=round_, key=ALICE, num_blocks=8, num_resumed=0))
    sink.emit(BlockScored(round=round_, key=ALICE, done=3, num_blocks=8))
    assert "3/8" in text.getvalue()
    sink.emit(EntryFinished(round=round_, result=an_entry_result(ALICE)))
    assert "scored    alice@100" in text.getvalue().splitlines()[-1]
    sink.close()


def table(*, skipped: bool = False) -> str:
    first, second = RoundKey(CompetitionId(1), Block(360)), RoundKey(CompetitionId(1), Block(720))
    bob, eve = EntryKey(Hotkey("bob"), Block(7)), EntryKey(Hotkey("eve"), Block(9))
    refused = EntryResult(
        key=eve, repo="e/m", verdict=Verdict.REJECTED, reason=Reason.UNSAFE_FILE, detail="x.bin"
    )
    results = (
        a_round_result(first, champion=bob, entries=(an_entry_result(bob, score=2.0), refused)),
        a_round_result(
            second,
            champion=ALICE,
            entries=(an_entry_result(bob, score=2.1), an_entry_result(ALICE, score=1.5)),
        ),
        *([a_round_result(RoundKey(CompetitionId(2), Block(720)), skipped=Reason.DISK)] * skipped),
    )
    text = io.StringIO()
    weights = some_weights({"alice": 0.75, "bob": 0.25})
    standings = {CompetitionId(1): {Hotkey("alice"): 0.6, Hotkey("bob"): 0.4}}
    plain(text).print(render_report(results, standings, weights, {Hotkey("eve"): "pickle"}))
    return text.getvalue()


def test_the_report_lists_each_entry_once_with_its_newest_verdict() -> None:
    lines = table().splitlines()
    rows = [line for line in lines if line.count("│") == 8]
    assert [row.split("│")[1].strip() for row in rows] == ["* alice", "bob", "pickle"]
    assert [cell.strip() for cell in rows[1].split("│")[3:6]] == ["2.0000", "2.1000", "scored"]
    assert "unsafe_file: a file is of a kind" in table()


def test_the_report_shows_standings_and_weights() -> None:
    said = table()
    assert "0.6000" in said
    assert "0.7500" in said


def test_a_round_that_was_sat_out_has_no_table() -> None:
    assert "Competition 2" not in table(skipped=True)


def test_a_report_of_nothing_says_that_the_run_was_stopped() -> None:
    text = io.StringIO()
    plain(text).print(render_report((), {}, None, {}))
    assert text.getvalue() == ("Stopped before a round was finished; the same command continues.\n")
