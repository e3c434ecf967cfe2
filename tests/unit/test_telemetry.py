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

from sn37.adapters.telemetry.background import BackgroundScreen
from sn37.adapters.telemetry.console import ConsoleSink, LastingConsole
from sn37.adapters.telemetry.fanout import FanOut
from sn37.adapters.telemetry.jsonl import JsonlSink
from sn37.adapters.telemetry.live_view import LiveView
from sn37.adapters.telemetry.log_sink import LogSink
from sn37.adapters.telemetry.screens import Descriptor, PlainScreen, Prefix, TerminalScreen
from sn37.adapters.telemetry.tables import render_report
from sn37.adapters.telemetry.wording import Labels
from sn37.domain.events import (
    Cautioned,
    EntryFinished,
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


def plain(text: io.StringIO, *, width: int = 200) -> Console:
    return LastingConsole(file=text, width=width, highlight=False, color_system=None)


class Closed(io.StringIO):
    def write(self, s: str, /) -> int:
        raise BrokenPipeError


def on_plain_text(text: io.StringIO, labels: Labels | None = None) -> ConsoleSink:
    return ConsoleSink(PlainScreen(text, prefix=Prefix.NOTHING), labels=labels or {})


def on_a_terminal(text: io.StringIO) -> ConsoleSink:
    screen = TerminalScreen(text, LiveView({}), size=lambda: (80, 24))
    return ConsoleSink(screen, labels={})


def in_the_background(text: io.StringIO) -> ConsoleSink:
    return ConsoleSink(BackgroundScreen(PlainScreen(text), now=lambda: NOON), labels={})


class TestConsoleSink(EventSinkContract):
    def sink(self) -> EventSink:
        return on_plain_text(io.StringIO())

    def broken_sink(self) -> EventSink:
        return on_plain_text(Closed())


class TestConsoleSinkOnATerminal(EventSinkContract):
    def sink(self) -> EventSink:
        return on_a_terminal(io.StringIO())

    def broken_sink(self) -> EventSink:
        return on_a_terminal(Closed())


class TestConsoleSinkInTheBackground(EventSinkContract):
    def sink(self) -> EventSink:
        return in_the_background(io.StringIO())

    def broken_sink(self) -> EventSink:
        return in_the_background(Closed())


class TestLogSink(EventSinkContract):
    def sink(self) -> EventSink:
        return LogSink(labels={}, now=lambda: NOON)

    def broken_sink(self) -> EventSink:
        """Logging itself raises nothing; what a handler cannot write is its own affair."""
        return LogSink(labels={}, now=lambda: NOON)


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
        return FanOut([on_plain_text(io.StringIO())])

    def broken_sink(self) -> EventSink:
        return FanOut([Broken(), Broken()])


@pytest.mark.fault("telemetry", "down")
def test_a_broken_sink_keeps_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    text, broken = io.StringIO(), Broken()
    sink = FanOut([broken, on_plain_text(text)])
    for event in every_event():
        sink.emit(event)
    assert broken.num_events == len(every_event())
    assert "alice@100 keeps the crown" in text.getvalue()
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
    assert record.getMessage() == f"{tmp_path}: not an ordinary file; events are missing from it"
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
        plain_screen = PlainScreen(Descriptor(written.fileno(), "utf-8"), prefix=Prefix.NOTHING)
        screen = BackgroundScreen(plain_screen, now=lambda: NOON, max_held=3, end_within_s=60)
        sink = ConsoleSink(screen, labels={})
        for number in range(100):
            sink.emit(Cautioned(what="x", advice=str(number)))
        os.read(reader, 1 << 20)
        sink.emit(Recovered(what="chain"))
        sink.close()
        os.set_blocking(reader, False)
        said = read.read().decode().lstrip(".").splitlines()
    assert said[-1] == "recovered chain"
    counts = [int(line.split()[1]) for line in said if line.startswith("unread ")]
    shown = [line for line in said if line.startswith("caution ")]
    assert sum(counts) + len(shown) == 100, "each event is shown or counted"
    assert sum(counts) > 90
    assert shown[-1] == "caution   x: 99"


def test_labels_stand_for_hotkeys() -> None:
    text = io.StringIO()
    sink = on_plain_text(text, {Hotkey("alice"): "honest"})
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
    on_plain_text(text).emit(EntryFinished(round=a_round_key(), result=result))
    said = text.getvalue()
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert "[red]x[/red]" in said, "brackets are text, not colours"


def test_without_a_terminal_a_set_up_step_is_told_by_quarters() -> None:
    text = io.StringIO()
    sink = on_plain_text(text)
    for done in range(101):
        sink.emit(SetUpAdvanced(what="training", done=done, total=100))
    assert text.getvalue().splitlines() == [
        f"set-up    training: {done} of 100" for done in (0, 25, 50, 75, 100)
    ]


def table(*, skipped: bool = False, width: int = 200) -> str:
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
    plain(text, width=width).print(
        render_report(results, standings, weights, {Hotkey("eve"): "pickle"})
    )
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


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_narrow_report_has_fewer_columns_and_cuts_no_number(width: int) -> None:
    said = table(width=width)
    assert max(map(len, said.splitlines())) <= width
    assert "…" not in said
    for number in ("2.1000", "1.5000", "round 720", "0.6000", "0.4000", "0.7500", "0.2500"):
        assert number in said, number
    names = ("verdict", "reason", "detail", "committed", "round 360")
    heads = next(line for line in said.splitlines() if line.startswith("┃ miner"))
    left_out = [name for name in names if name not in heads]
    if left_out:
        _, _, named = said.partition("left out for lack of room: ")
        assert all(name in " ".join(named.split()) for name in left_out)
    assert len(left_out) == {40: 4, 60: 2, 80: 1, 120: 0}[width]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_real_hotkeys_and_blocks_fit_narrow_tables_without_a_cut_number(width: int) -> None:
    keys = [
        EntryKey(Hotkey(name), Block(8_123_100))
        for name in (
            "5FC6JctnqqLf4v6cRgfRNVtSQ7vvc9rRNLYu4Sc17epUdWQz",
            "5Dcxuq5jrkpPZHnPEg4ADPn46xctzmvZx1Kudt2cXV6n1dDS",
        )
    ]
    results = [
        a_round_result(
            RoundKey(CompetitionId(1), Block(8_123_400 + 360 * number)),
            champion=keys[0],
            entries=tuple(an_entry_result(key, score=1.0 + number / 100) for key in keys),
        )
        for number in range(5)
    ]
    text = io.StringIO()
    standings = {CompetitionId(1): {keys[0].hotkey: 1.0}}
    weights = some_weights({key.hotkey: 0.5 for key in keys})
    plain(text, width=width).print(render_report(results, standings, weights, {}))
    said = text.getvalue()
    assert max(map(len, said.splitlines())) <= width
    assert "…" not in said
    assert "round 8124840" in said
    assert said.count("1.0400") == 2
    assert said.count("0.5000") == 2
    assert "5FC6Jc..dWQz" in said
