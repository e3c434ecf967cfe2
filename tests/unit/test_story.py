"""What is said about a run, with time and block, on the console and in the log alike."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sn37.adapters.telemetry import console, log_sink
from sn37.adapters.telemetry.console import ConsoleSink
from sn37.adapters.telemetry.log_sink import LogSink
from sn37.adapters.telemetry.screens import PlainScreen, Prefix, goes_to_journal
from sn37.adapters.telemetry.story import HEADS_EVERY, OUTAGES_EVERY, Story
from sn37.domain.events import (
    Degraded,
    Dependency,
    Event,
    HeadAdvanced,
    Recovered,
    RoundFinished,
    RowsSetAside,
    SubmissionFetched,
    ValidatorStarted,
    WeightsSubmitted,
)
from sn37.domain.ids import Block, BlockRef, CompetitionId, EntryKey, Hotkey, RoundKey, TaskName
from sn37.testing.builders import every_event
from sn37.testing.builders.rounds import a_round_result, an_entry_result, some_weights

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ALICE = EntryKey(Hotkey("alice"), Block(100))
BOB = EntryKey(Hotkey("bob"), Block(200))
ROUND = RoundKey(CompetitionId(1), Block(8_123_400))


def a_head(block: int) -> HeadAdvanced:
    return HeadAdvanced(head=BlockRef(Block(block), "0x0"), next_sync=Block(8_123_400))


def down(what: str = "chain") -> Degraded:
    return Degraded(what=what, error="no endpoint answers", retry_in_s=12.0)


class Told:
    """A story over a clock that a test moves."""

    def __init__(self) -> None:
        self._story = Story({})
        self.now = NOON

    def __call__(self, event: Event, after: timedelta = timedelta()) -> list[str]:
        self.now += after
        return [line.text for line in self._story.tell(event, self.now)]


def finished(champion: EntryKey | None, *, holder: EntryKey | None, old_score: float = 1.0) -> str:
    entries = (an_entry_result(ALICE, score=old_score), an_entry_result(BOB, score=0.95))
    result = replace(a_round_result(ROUND, entries=entries), champion=champion)
    (line,) = Told()(RoundFinished(result=result, holder=holder))
    return line.removeprefix("finished  competition 1, round 8123400: ")


def test_a_new_champion_is_named_with_its_score_and_its_gain() -> None:
    assert finished(BOB, holder=ALICE) == (
        "bob@200 takes the crown with 0.9500, 5.00% lower than alice"
    )


def test_a_crown_that_passes_on_earlier_evidence_says_so_honestly() -> None:
    assert finished(BOB, holder=ALICE, old_score=0.9).endswith("5.56% higher than alice")


@pytest.mark.parametrize("old_score", [0.0, float("nan"), float("inf")])
def test_a_score_that_nothing_can_be_compared_with_gives_no_gain(old_score: float) -> None:
    assert finished(BOB, holder=ALICE, old_score=old_score) == "bob@200 takes the crown with 0.9500"


def test_a_champion_that_stays_and_a_vacant_crown_are_named() -> None:
    assert finished(ALICE, holder=ALICE) == "alice@100 keeps the crown with 1.0000"
    assert finished(BOB, holder=None) == "bob@200 takes the crown with 0.9500"
    assert finished(None, holder=ALICE) == "no champion"


def test_a_champion_that_was_not_scored_has_no_number() -> None:
    absent = EntryKey(Hotkey("eve"), Block(3))
    assert finished(absent, holder=absent) == "eve@3 keeps the crown"
    assert finished(BOB, holder=absent) == "bob@200 takes the crown with 0.9500"


def test_of_rows_set_aside_only_the_number_is_said() -> None:
    ids = tuple(f"row-{number}" for number in range(50))
    event = RowsSetAside(
        round=ROUND, task=TaskName("pairs"), why="repeated", num_rows=1_234, row_ids=ids
    )
    assert Told()(event) == [
        "set aside competition 1, round 8123400: 1,234 rows for pairs, repeated"
    ]


def test_heads_are_said_once_an_hour() -> None:
    said, story = list[str](), Told()
    for number in range(700):
        said += story(a_head(8_122_000 + number), timedelta(seconds=12))
    assert said == [
        "following block 8122000, next round at 8123400 in 1,400 blocks",
        f"following block {8_122_000 + HEADS_EVERY // timedelta(seconds=12)}, "
        "next round at 8123400 in 1,100 blocks",
        "following block 8122600, next round at 8123400 in 800 blocks",
    ]


def test_an_outage_is_said_when_it_begins_seldom_while_it_lasts_and_when_it_ends() -> None:
    said, story = list[str](), Told()
    for _ in range(40):
        said += story(down(), timedelta(minutes=1))
    said += story(Recovered(what="chain"), timedelta(minutes=1))
    begin = "degraded  chain: no endpoint answers; again in 12 s"
    assert said == [*[begin] * (1 + 39 // (OUTAGES_EVERY // timedelta(minutes=1))), said[-1]]
    assert said[-1] == "recovered chain after 40 min"
    assert story(down()) == [begin], "the next one is another"


def test_work_that_succeeds_ends_an_outage_of_its_dependency() -> None:
    story = Told()
    story(down(Dependency.MODEL_HOST))
    fetched = SubmissionFetched(key=ALICE, size_bytes=2**20)
    assert story(fetched, timedelta(seconds=90)) == [
        "recovered model host after 2 min",
        "fetched   alice@100: 1.0 MiB, verified",
    ]
    assert len(story(fetched)) == 1, "it is over only once"


def test_the_end_of_an_outage_whose_beginning_is_not_known_has_no_length() -> None:
    assert Told()(Recovered(what="chain")) == ["recovered chain"]


def printed(prefix: Prefix, *events: Event) -> list[str]:
    text = io.StringIO()
    sink = ConsoleSink(PlainScreen(text, prefix=prefix), labels={}, now=lambda: NOON)
    for event in events:
        sink.emit(event)
    return text.getvalue().splitlines()


def test_every_plain_line_begins_with_time_and_block() -> None:
    lines = printed(Prefix.FULL, Recovered(what="x"), *every_event())
    assert lines[0] == "01-02 12:00:00Z       - recovered x"
    assert lines[2].startswith("01-02 12:00:00Z    1000 following block 1000")
    assert all(line.startswith("01-02 12:00:00Z    1000 ") for line in lines[3:])
    assert len(lines) > 20


def test_in_the_journal_a_line_begins_with_its_level_and_block() -> None:
    lines = printed(Prefix.JOURNAL, a_head(8_123_000), Recovered(what="x"), down())
    assert lines == [
        "<6>8123000 following block 8123000, next round at 8123400 in 400 blocks",
        "<6>8123000 recovered x",
        "<4>8123000 degraded  chain: no endpoint answers; again in 12 s",
    ]


def test_the_lines_of_a_usual_round_fit_eighty_columns_but_for_what_is_long_itself() -> None:
    """Hotkeys and blocks of finney; what does not fit is at the end of its line."""
    holder = EntryKey(Hotkey("5FC6JctnqqLf4v6cRgfRNVtSQ7vvc9rRNLYu4Sc17epUdWQz"), Block(8_120_000))
    result = a_round_result(
        ROUND, champion=holder, entries=(an_entry_result(holder, score=1.0014),)
    )
    lines = printed(
        Prefix.FULL,
        a_head(8_123_000),
        SubmissionFetched(key=holder, size_bytes=6_000 * 2**20),
        RoundFinished(result=result, holder=holder),
    )
    following, fetched, finished = lines
    assert max(len(following), len(fetched)) <= 88
    assert finished[:80].endswith(" 5FC6Jc..dWQz@812"), "who has the crown is among them"


def test_the_journal_is_known_by_its_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "x").open("w") as file:
        found = os.fstat(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        assert goes_to_journal(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino + 1}")
        assert not goes_to_journal(file.fileno()), "standard error was redirected"
    monkeypatch.delenv("JOURNAL_STREAM")
    assert not goes_to_journal(0)


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[tuple[LogSink, Path]]:
    """A sink, and the file that the program's log goes to."""
    sink, file = LogSink(labels={}, now=lambda: NOON), tmp_path / "validator.log"
    handler, root = sink.handler(file), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield sink, file
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        handler.close()


def test_the_log_tells_the_same_story_as_the_console(logged: tuple[LogSink, Path]) -> None:
    sink, file = logged
    events = (*every_event(), down("model host"))
    for event in events:
        sink.emit(event)
    lines = file.read_text().splitlines()
    assert [line.split(maxsplit=4)[4] for line in lines] == [
        line.removeprefix("01-02 12:00:00Z").split(maxsplit=1)[1]
        for line in printed(Prefix.FULL, *events)
    ]
    assert all(line[:20].endswith("Z") for line in lines)
    assert {line.split()[2] for line in lines} == {"-", "1000"}
    assert lines[-1].split()[3:5] == ["WARNING", "degraded"]


def test_other_records_of_the_log_have_time_and_block_too(logged: tuple[LogSink, Path]) -> None:
    sink, file = logged
    sink.emit(a_head(8_123_000))
    logging.getLogger("sn37.some.part").warning("odd: %s", 3)
    assert file.read_text().splitlines()[-1].split(maxsplit=2)[2] == (
        "8123000 WARNING sn37.some.part: odd: 3"
    )


def test_a_text_of_a_stranger_is_neither_a_line_of_its_own_nor_acts_on_a_terminal(
    logged: tuple[LogSink, Path],
) -> None:
    _, file = logged
    hostile = "x\n2026-01-02 12:00:00Z 1 INFO weights all to evil\r\x1b[2J\x1b]0;t\x07\u202e"
    log = logging.getLogger("some.package")
    log.warning("it says %s", hostile)
    try:
        raise ValueError(hostile)
    except ValueError:
        log.exception("it failed", stack_info=True)
    lines = file.read_text().splitlines()
    assert all(line.isprintable() for line in lines)
    own = [line for line in lines if not line.startswith("  ")]
    assert [line.split(maxsplit=3)[3].split(": ")[0] for line in own] == [
        "WARNING some.package",
        "ERROR   some.package",
    ]
    assert "  ValueError: x" in lines


def test_a_full_log_is_renamed_and_a_bounded_number_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sink, "MAX_BYTES", 1_000)
    handler = LogSink(labels={}, now=lambda: NOON).handler(tmp_path / "validator.log")
    for number in range(200):
        handler.emit(logging.makeLogRecord({"msg": f"{number} {'x' * 90}", "name": "n"}))
    handler.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "validator.log",
        *(f"validator.log.{number}" for number in range(1, log_sink.NUM_OLDER + 1)),
    ]


def test_the_beginning_names_version_network_schedule_and_hotkey() -> None:
    started = next(e for e in every_event() if isinstance(e, ValidatorStarted))
    (line,) = Told()(replace(started, hotkey=Hotkey("5F"), network="finney"))
    assert line == (
        "started   sn37 0.1.0 on finney, netuid 37: schedule ffffffffffffffff, hotkey 5F, "
        "40 rounds recorded"
    )


def test_weights_end_an_outage_of_weights() -> None:
    story = Told()
    story(down(Dependency.WEIGHTS))
    sent = WeightsSubmitted(sync_block=Block(720), weights=some_weights(), extrinsic="731-2")
    assert story(sent, timedelta(hours=2))[0] == "recovered weights after 2 h 0 min"


def test_without_standard_error_nothing_is_shown_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    sink = console.command_console()
    for event in every_event():
        sink.emit(event)
    sink.close()
