"""The live view: what a validator does now, at any width."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.telemetry.background import BackgroundScreen
from sn37.adapters.telemetry.console import ConsoleSink
from sn37.adapters.telemetry.live_view import LiveView
from sn37.adapters.telemetry.screens import TerminalScreen
from sn37.domain.events import (
    BlockScored,
    Cautioned,
    Degraded,
    Dependency,
    EntryFinished,
    EntryStarted,
    Event,
    HeadAdvanced,
    QueueChanged,
    Recovered,
    RoundFinished,
    SetUpAdvanced,
    SubmissionFetched,
)
from sn37.domain.ids import Block, BlockRef, CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.reasons import Reason
from sn37.testing.builders import every_event
from sn37.testing.builders.rounds import a_round_result, an_entry_result
from tests.support.small_terminal import SmallTerminal

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ROUND = RoundKey(CompetitionId(1), Block(8_123_400))
ALICE = EntryKey(Hotkey("5FC6JctnqqLf4v6cRgfRNVtSQ7vvc9rRNLYu4Sc17epUdWQz"), Block(8_120_000))
BOB = EntryKey(Hotkey("5Dcxuq5jrkpPZHnPEg4ADPn46xctzmvZx1Kudt2cXV6n1dDS"), Block(8_121_000))


class View:
    """A live view over a clock that a test moves."""

    def __init__(self, block_s: float | None = 12.0) -> None:
        self.now_s = 100.0
        self.view = LiveView({}, block_s=block_s, monotonic=lambda: self.now_s)

    def take(self, *events: Event, after_s: float = 0.0) -> View:
        for event in events:
            self.now_s += after_s
            self.view.take(event)
        return self

    def rows(self, width: int = 80) -> list[str]:
        return list(self.view.rows(width))


def a_head(block: int = 8_123_402) -> HeadAdvanced:
    return HeadAdvanced(head=BlockRef(Block(block), "0x0"), next_sync=Block(8_123_760))


def started(number: int = 3, *, num_resumed: int = 0) -> EntryStarted:
    return EntryStarted(
        round=ROUND,
        key=BOB,
        num_blocks=20,
        num_resumed=num_resumed,
        number=number,
        num_entries=5,
    )


def scored(done: int) -> BlockScored:
    return BlockScored(round=ROUND, key=BOB, done=done, num_blocks=20)


def a_busy_view() -> View:
    result = a_round_result(
        ROUND,
        champion=BOB,
        entries=(an_entry_result(ALICE, score=1.0), an_entry_result(BOB, score=0.9631)),
    )
    view = View().take(a_head(), QueueChanged(num_fetched=3, num_waiting=2))
    view.take(RoundFinished(result=result, holder=ALICE), started())
    return view.take(*(scored(done) for done in range(1, 13)), after_s=2.0)


def test_a_busy_validator_at_eighty_columns() -> None:
    assert a_busy_view().rows() == [
        "scoring   competition 1, round 8123400: model 3 of 5, 5Dcxuq..1dDS",
        "          ████████████░░░░░░░░ 12 of 20 blocks, 2 min left",
        "next      round 8123760 in 1 h 11 min, 358 blocks; block 8123402, 24 s old",
        "queue     3 models ready for a first round, 2 to be fetched",
        "last      competition 1, round 8123400: 5Dcxuq..1dDS with 0.9631, 3.69% lower",
    ]


def test_a_busy_validator_at_forty_columns() -> None:
    assert a_busy_view().rows(40) == [
        "scoring   round 8123400: model 3 of 5",
        "          12 of 20 blocks, 2 min left",
        "next      8123760 in 1 h 11 min",
        "queue     3 ready, 2 to fetch",
        "last      5Dcxuq..1dDS with 0.9631",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_row_is_too_wide_or_cuts_a_number(width: int) -> None:
    view = a_busy_view().take(
        SetUpAdvanced(what="simnet's other miners", done=7, total=18),
        Degraded(what="model host", error="x", retry_in_s=1.0),
    )
    rows = view.rows(width)
    assert len(rows) == 7
    assert max(map(len, rows)) <= width
    said = " ".join(rows)
    for number in ("7 of 18", "3 of 5", "12 of 20", "8123760", "3 ", "0.9631", "1 h 11 min"):
        assert number in said, number
    assert "…" not in said


@given(width=st.integers(40, 200), seconds=st.floats(0, 1e6))
def test_at_any_width_and_time_the_rows_fit(width: int, seconds: float) -> None:
    view = a_busy_view()
    view.now_s += seconds
    assert max(map(len, view.rows(width))) <= width


def test_time_left_counts_the_models_after_this_one_and_runs_down() -> None:
    view = View().take(started(number=5), *(scored(done) for done in range(1, 11)), after_s=3.0)
    assert view.rows()[-1].endswith("10 of 20 blocks, 30 s left")
    view.now_s += 2.0
    assert view.rows()[-1].endswith("28 s left")
    view.now_s += 1_000.0
    assert view.rows()[-1].endswith("27 s left"), "the other nine blocks are still to come"


def test_without_a_scored_block_no_time_is_guessed() -> None:
    assert View().take(started(num_resumed=7)).rows()[-1].endswith(" 7 of 20 blocks")


def test_blocks_from_before_a_restart_do_not_count_as_fast() -> None:
    view = View().take(started(number=5, num_resumed=18), scored(19), after_s=10.0)
    assert view.rows()[-1].endswith("19 of 20 blocks, 10 s left")


def test_a_block_whose_beginning_was_missed_is_shown() -> None:
    rows = View().take(scored(4)).rows()
    assert rows[0].startswith("scoring   competition 1, round 8123400: model 1 of 1")
    assert rows[1].endswith(" 4 of 20 blocks")


def test_a_finished_model_and_a_finished_step_leave_the_view() -> None:
    view = a_busy_view().take(
        EntryFinished(round=ROUND, result=an_entry_result(BOB)),
        SetUpAdvanced(what="training", done=1, total=2),
        SetUpAdvanced(what="training", done=2, total=2),
    )
    assert [row[:9].strip() for row in view.rows()] == ["next", "queue", "last"]


def test_on_a_chain_with_its_own_time_only_blocks_are_told() -> None:
    assert View(block_s=None).take(a_head()).rows() == [
        "next      round 8123760 in 358 blocks; block 8123402, 0 s old"
    ]


def test_a_head_that_grows_old_shows_it_and_the_next_round_comes_nearer() -> None:
    view = View().take(a_head())
    view.now_s += 600.0
    assert view.rows() == [
        "next      round 8123760 in 1 h 2 min, 358 blocks; block 8123402, 10 min old"
    ]


def test_an_outage_is_shown_while_it_lasts() -> None:
    view = View().take(Degraded(what=Dependency.MODEL_HOST, error="x", retry_in_s=1.0))
    view.take(Degraded(what="chain", error="x", retry_in_s=1.0), after_s=60.0)
    assert view.rows() == ["waiting   for model host, for 1 min", "waiting   for chain, for 0 s"]
    view.take(SubmissionFetched(key=BOB, size_bytes=1), Recovered(what="chain"))
    assert view.rows() == []


def test_a_round_that_was_missed_is_not_the_last_result_and_a_vacant_crown_is() -> None:
    skipped = a_round_result(ROUND, skipped=Reason.DISK)
    assert View().take(RoundFinished(result=skipped)).rows() == []
    vacant = a_round_result(ROUND, entries=())
    assert (
        View()
        .take(RoundFinished(result=vacant))
        .rows()[0]
        .startswith("last      competition 1, round 8123400: ")
    )


class Drawn:
    """A terminal with a view, over a clock that does not move."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.text, self.size = io.StringIO(), (columns, rows)
        self.terminal = SmallTerminal(columns)
        self.view = LiveView({}, monotonic=lambda: 0.0)
        self.screen = TerminalScreen(self.text, self.view, size=lambda: self.size)
        self.sink = ConsoleSink(self.screen, labels={}, now=lambda: NOON)

    def shown(self) -> list[str]:
        self.terminal.feed(self.text.getvalue())
        self.text.seek(0)
        self.text.truncate()
        return self.terminal.shown


def test_lines_scroll_above_the_view_which_is_gone_at_the_end() -> None:
    drawn = Drawn()
    drawn.sink.emit(started())
    drawn.sink.emit(Cautioned(what="x", advice="first"))
    drawn.sink.emit(scored(1))
    drawn.sink.emit(Cautioned(what="x", advice="second"))
    first, second, *view = drawn.shown()
    assert first == "01-02 12:00:00Z       - caution   x: first"
    assert second == "01-02 12:00:00Z       - caution   x: second"
    assert [row.split()[0] for row in view] == ["scoring", "█░░░░░░░░░░░░░░░░░░░"]
    drawn.sink.close()
    assert drawn.shown() == [first, second]


def test_each_change_is_shown_at_once_and_no_change_writes_nothing() -> None:
    drawn = Drawn()
    for event in every_event():
        drawn.sink.emit(event)
        written = drawn.text.getvalue()
        assert written.count("\x1b[?2026h") == written.count("\x1b[?2026l") <= 1
        drawn.shown()
    drawn.screen.tick()
    assert drawn.text.getvalue() == ""


def test_a_terminal_that_becomes_narrow_keeps_its_lines_and_one_view() -> None:
    drawn = Drawn(columns=100)
    drawn.sink.emit(Cautioned(what="x", advice="first"))
    drawn.sink.emit(started())
    drawn.sink.emit(QueueChanged(num_fetched=3, num_waiting=2))
    drawn.shown()
    drawn.size = (42, 24)
    drawn.terminal.resize(42)
    drawn.screen.tick()
    shown = drawn.shown()
    assert shown == [
        "01-02 12:00:00Z       - caution   x: first",
        "scoring   round 8123400: model 3 of 5",
        "          ░░░░░░░░░░░░░░░░ 0 of 20 blocks",
        "queue     3 ready, 2 to fetch",
    ]


def test_a_low_terminal_shows_the_first_rows_of_the_view() -> None:
    drawn = Drawn(rows=3)
    for event in (started(), QueueChanged(num_fetched=1, num_waiting=1)):
        drawn.sink.emit(event)
    assert [row.split()[0] for row in drawn.shown()] == ["scoring", "░░░░░░░░░░░░░░░░░░░░"]


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_long_lines_are_wrapped_between_words_and_indented(columns: int) -> None:
    drawn = Drawn(columns=columns)
    words = [f"word{number}" for number in range(30)]
    drawn.sink.emit(Cautioned(what="x", advice=" ".join(words)))
    shown = drawn.shown()
    assert max(map(len, shown)) < columns
    assert all(row.startswith("   ") for row in shown[1:])
    assert " ".join(" ".join(shown).split()).endswith(f"caution x: {' '.join(words)}")
    assert shown[0].startswith("12:00:00Z" if columns < 60 else "01-02 12:00:00Z")


def test_what_was_told_before_the_end_is_shown_and_nothing_after_it() -> None:
    drawn = Drawn()
    background = BackgroundScreen(drawn.screen, now=lambda: NOON, end_within_s=60)
    sink = ConsoleSink(background, labels={}, now=lambda: NOON)
    sink.emit(Cautioned(what="x", advice="first"))
    sink.emit(started())
    sink.close()
    assert drawn.shown() == ["01-02 12:00:00Z       - caution   x: first"]
    sink.emit(Cautioned(what="x", advice="after the end"))
    assert drawn.text.getvalue() == ""
