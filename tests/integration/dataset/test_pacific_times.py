"""Naive times of the Pacific coast, in the nights when its clocks are put forward and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.dataset.pacific import pacific_dates, pacific_to_utc
from sn37.domain.data.samples import TimeWindow


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2025-01-10 12:00:00", "2025-01-10 20:00:00"),
        ("2025-07-10 12:00:00", "2025-07-10 19:00:00"),
        ("2025-03-09 01:59:59.999999", "2025-03-09 09:59:59.999999"),
        ("2025-03-09 02:00:00", None),
        ("2025-03-09 02:59:59.999999", None),
        ("2025-03-09 03:00:00", "2025-03-09 10:00:00"),
        ("2025-11-02 00:59:59", "2025-11-02 07:59:59"),
        ("2025-11-02 01:00:00", "2025-11-02 08:00:00"),
        ("2025-11-02 01:59:59", "2025-11-02 08:59:59"),
        ("2025-11-02 02:00:00", "2025-11-02 10:00:00"),
        ("0001-01-01 00:00:00", "0001-01-01 07:52:58"),
        ("9999-12-31 23:00:00", None),
    ],
)
def test_a_pacific_time_is_the_first_moment_it_stands_for_or_none(
    written: str, meant: str | None
) -> None:
    expected = None if meant is None else datetime.fromisoformat(meant).replace(tzinfo=UTC)
    assert pacific_to_utc(datetime.fromisoformat(written)) == expected


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_a_row_seems_as_old_as_it_is_or_an_hour_older_but_never_younger(moment: datetime) -> None:
    written = moment.astimezone(ZoneInfo("America/Los_Angeles")).replace(tzinfo=None)
    read = pacific_to_utc(written)
    assert read is not None
    assert moment - read == timedelta(hours=written.fold)


@pytest.mark.parametrize(
    ("since", "until", "dates"),
    [
        ("2025-01-10 07:59", "2025-01-10 08:00", ["2025-01-09"]),
        ("2025-01-10 07:59", "2025-01-10 08:01", ["2025-01-09", "2025-01-10"]),
        ("2025-01-10 08:00", "2025-01-10 12:00", ["2025-01-10"]),
        ("2025-07-10 06:59", "2025-07-10 07:01", ["2025-07-09", "2025-07-10"]),
        ("2025-03-09 07:59", "2025-03-10 07:01", ["2025-03-08", "2025-03-09", "2025-03-10"]),
    ],
)
def test_a_window_touches_the_dates_of_its_pacific_calendar(
    since: str, until: str, dates: list[str]
) -> None:
    window = TimeWindow(
        since=datetime.fromisoformat(since).replace(tzinfo=UTC),
        until=datetime.fromisoformat(until).replace(tzinfo=UTC),
    )
    assert pacific_dates(window) == tuple(map(date.fromisoformat, dates))
