"""Which steps of a run are asked for, and which of its rows count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.dataset.wandb_history import (
    BEFORE_A_GAP,
    MAX_EMPTY_PAGES,
    MAX_PAGES,
    MAX_STEPS,
    WIDEST,
    Flooded,
    HistoryChanged,
    HistoryPage,
    rows_of,
)
from sn37.adapters.dataset.wandb_messages import Query, RowFound, RunFound, moment
from sn37.domain.canonical import JsonValue

SINCE, UNTIL = 10_000.0, 20_000.0
PAGE = 8
RUN = RunFound(id="run", config={}, created_at=0.0, heartbeat_at=30_000.0)
QUERY = Query(
    entity="e",
    project="p",
    config={},
    told=(),
    columns=("modality",),
    indexed=("prompts", "responses"),
    since=SINCE,
    until=UNTIL,
    page_steps=PAGE,
)
PLAIN = replace(QUERY, indexed=())


class History:
    """A run's rows by step, which may grow between two pages."""

    def __init__(self, times: Mapping[int, JsonValue]) -> None:
        self.rows: dict[int, dict[str, JsonValue]] = {
            step: {"_step": step, "_timestamp": time} for step, time in times.items()
        }
        self.asked: list[tuple[int, int]] = []

    def read(self, start: int, stop: int) -> HistoryPage:
        self.asked.append((start, stop))
        return [self.rows[step] for step in sorted(self.rows) if start <= step < stop]

    def found(
        self, query: Query = PLAIN, run: RunFound = RUN, last_step: int | None = None
    ) -> tuple[list[RowFound], Counter[str]]:
        left_out: Counter[str] = Counter()
        last = max(self.rows) if last_step is None else last_step
        return list(rows_of(run, last, query, self.read, left_out)), left_out

    def steps(self, run: RunFound = RUN) -> list[int]:
        return [row.step for row in self.found(run=run)[0]]


def one_a_minute(count: int, *, since: float = SINCE) -> History:
    return History({step: since + 60.0 * step for step in range(count)})


def test_years_of_history_before_the_window_are_not_asked_for() -> None:
    history = one_a_minute(100_000, since=UNTIL - 60 * 100_000)
    assert len(history.steps()) == (UNTIL - SINCE) // 60
    assert len(history.asked) <= (UNTIL - SINCE) / 60 / PAGE + 2


@given(
    st.lists(st.integers(0, 3_000), min_size=1, max_size=120),
    st.integers(0, 5_000),
    st.lists(st.booleans(), min_size=120, max_size=120),
)
def test_every_row_of_the_window_is_found_whatever_the_pages(
    gaps: list[int], start: int, is_logged: list[bool]
) -> None:
    time, times = float(start), {}
    for step, gap in enumerate(gaps):
        time += gap
        if is_logged[step] or step == 0:
            times[step] = time
    wanted = [step for step, time in times.items() if SINCE <= time < UNTIL]
    assert History(dict(times)).steps() == wanted


@given(st.integers(1, 100), st.integers(0, 30))
def test_a_run_that_grows_gives_every_reader_the_same_rows(count: int, more: int) -> None:
    early = one_a_minute(count)
    late = one_a_minute(count + more)
    settled = SINCE + 60.0 * count
    both = [
        [row for row in history.found()[0] if row.written < settled] for history in (early, late)
    ]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("time", "is_found"),
    [
        (SINCE - 1, False),
        (SINCE - 0.000001, False),
        (SINCE, True),
        (UNTIL - 0.001, True),
        (UNTIL, False),
    ],
)
def test_a_row_one_second_too_old_or_at_the_windows_end_does_not_count(
    time: float, is_found: bool
) -> None:
    assert History({0: time}).steps() == ([0] if is_found else [])


@pytest.mark.parametrize("time", [None, "15000", True, float("nan"), float("inf"), -1.0, 1e300, {}])
def test_a_row_without_a_time_is_left_out_and_counted(time: JsonValue) -> None:
    history = History({0: 15_000.0, 1: time, 2: 15_001.0})
    found, left_out = history.found()
    assert [row.step for row in found] == [0, 2]
    assert left_out == {"rows without a time": 1}


def test_t18_rows_from_before_their_run_or_after_its_end_are_left_out() -> None:
    run = replace(RUN, created_at=12_000.0, heartbeat_at=18_000.0)
    times = [11_999.0, 12_000.0, 15_000.0, 18_000.0, 18_000.5]
    found, left_out = History(dict(enumerate(times))).found(run=run)
    assert [row.step for row in found] == [1, 2, 3]
    assert left_out == {"rows from outside their run's time": 2}


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_an_hour_off_loses_the_rows_that_its_run_cannot_have_written(hours: int) -> None:
    run = replace(RUN, created_at=SINCE, heartbeat_at=SINCE + 7200)
    true_times = [SINCE + 60.0 * minute for minute in range(121)]
    history = History({n: time + 3600 * hours for n, time in enumerate(true_times)})
    steps = history.steps(run)
    assert steps == (list(range(61)) if hours > 0 else list(range(60, 121)))


def test_t42_rows_appended_with_an_older_time_do_not_count() -> None:
    honest = one_a_minute(100)
    before = honest.found()[0]
    for step in range(100, 130):
        honest.rows[step] = {"_step": step, "_timestamp": SINCE + 60.0 * (step - 80)}
    after, left_out = honest.found()
    assert after == before
    assert left_out == {"rows older than the row before": 30}


def test_a_run_that_jumps_ahead_ends_at_the_gap() -> None:
    history = one_a_minute(10)
    history.rows[10**12] = {"_step": 10**12, "_timestamp": SINCE + 700.0}
    found, left_out = history.found()
    assert [row.step for row in found] == [10**12]
    assert len(history.asked) <= 2 * MAX_EMPTY_PAGES + 2
    (why,) = left_out
    assert why == BEFORE_A_GAP
    assert 10**12 - PAGE * WIDEST * MAX_EMPTY_PAGES < left_out[why] < 10**12


@pytest.mark.parametrize("gap", [PAGE, 16 * PAGE, 17 * PAGE, 512, 513, 3_000])
def test_no_row_is_lost_behind_a_gap(gap: int) -> None:
    early = {step: SINCE + 60.0 * step for step in range(20)}
    late = {19 + gap + step: SINCE + 3600 + 60.0 * step for step in range(20)}
    found, left_out = History(early | late).found()
    assert [row.step for row in found] == [*early, *late]
    assert left_out == {}


@given(
    st.lists(st.integers(1, 2_500), min_size=1, max_size=60),
    st.integers(0, 4_000_000),
    st.floats(1.0, 400.0),
)
def test_no_row_is_lost_where_steps_are_block_numbers(
    gaps: list[int], first: int, seconds: float
) -> None:
    blocks = [first + sum(gaps[:n]) for n in range(len(gaps))]
    times = {block: SINCE - 3_000 + seconds * n for n, block in enumerate(blocks)}
    history = History(dict(times))
    assert history.steps() == [step for step, time in times.items() if SINCE <= time < UNTIL]
    # An empty page is asked for twice, and a wide one covers 64 steps.
    assert len(history.asked) <= 2 * sum(gap / (PAGE * WIDEST) + 6 for gap in gaps) + 200


def test_pages_are_narrow_again_where_rows_come_close_together() -> None:
    sparse = {10_000 + 500 * n: SINCE + 1_000 + n for n in range(5)}
    dense = {step: SINCE + step / 10 for step in range(9_000, 9_900)}
    history = History(dense | sparse)
    history.found()
    widths = [stop - start for start, stop in history.asked if stop in dense and start in dense]
    assert max(stop - start for start, stop in history.asked) == PAGE * WIDEST
    assert set(widths[2:]) == {PAGE}
    assert len(widths) > 100


def test_t17_a_run_with_more_pages_than_anybody_needs_is_given_up() -> None:
    far_apart = PAGE * WIDEST * 6
    history = History({step * far_apart: SINCE + step for step in range(MAX_PAGES)})
    with pytest.raises(Flooded):
        history.found()
    assert len(history.asked) <= 2 * MAX_PAGES + 2


def test_t17_a_run_with_more_steps_than_anybody_needs_is_given_up() -> None:
    history = History({step: SINCE + 0.1 * step for step in range(MAX_STEPS + PAGE + 1)})
    with pytest.raises(Flooded):
        history.found()


def test_t17_a_run_with_more_text_than_a_whole_pool_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sn37.adapters.dataset.wandb_history.MAX_RUN_CHARACTERS", 5_000)
    history = one_a_minute(20)
    for row in history.rows.values():
        row |= {"prompts.0": "x" * 100, "responses.0": "x" * 100, "scores.0": "x" * 10_000}
    assert len(history.found(QUERY)[0]) == 20
    history.rows[7]["responses.0"] = "x" * 1_200
    with pytest.raises(Flooded):
        history.found(QUERY)


def test_a_short_page_that_is_longer_the_second_time_is_not_believed() -> None:
    history = one_a_minute(PAGE)
    hidden = history.rows.pop(5)

    def read(start: int, stop: int) -> HistoryPage:
        page = history.read(start, stop)
        history.rows[5] = hidden
        return page

    with pytest.raises(HistoryChanged):
        list(rows_of(RUN, PAGE - 1, PLAIN, read, Counter()))


@pytest.mark.parametrize("steps", [[8, 9, 10, 11, 12, 13, 14, 99], [9] * 8, list(range(15, 7, -1))])
def test_a_page_of_steps_that_nobody_asked_for_is_not_believed(steps: list[int]) -> None:
    page: HistoryPage = [{"_step": step, "_timestamp": SINCE} for step in steps]
    with pytest.raises(HistoryChanged):
        list(rows_of(RUN, 15, PLAIN, lambda start, stop: page, Counter()))


def test_a_step_of_the_wrong_type_is_not_believed() -> None:
    page: HistoryPage = [{"_step": "0", "_timestamp": SINCE}]
    with pytest.raises(HistoryChanged):
        list(rows_of(RUN, 0, PLAIN, lambda start, stop: page, Counter()))


def test_indexed_columns_make_a_row_for_each_index_that_has_all_of_them() -> None:
    row: dict[str, JsonValue] = {"_step": 0, "_timestamp": SINCE, "modality": "text"}
    row |= {"prompts.0": "a", "responses.0": "b", "scores.0": 1}
    row |= {"prompts.255": "c", "responses.255": 5, "prompts.7": "alone", "responses.8": None}
    row |= {"prompts.9": "f", "responses.9": ["deep", {"values": 1}]}
    for odd in ("07", "x", "-1", "99999", "\N{SUPERSCRIPT TWO}", "1.2", ""):
        row |= {f"prompts.{odd}": "odd", f"responses.{odd}": "odd"}
    history = History({0: SINCE})
    history.rows[0] = row
    found = {row.index: row.values for row in history.found(QUERY)[0]}
    assert found == {
        0: {"modality": "text", "prompts": "a", "responses": "b"},
        255: {"modality": "text", "prompts": "c", "responses": 5},
    }


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))
def test_a_time_survives_the_way_to_the_reader_and_back(naive: datetime) -> None:
    time = naive.replace(tzinfo=UTC)
    assert moment(time.timestamp()) == time
    assert moment((time + timedelta(microseconds=1)).timestamp()) != time
