"""Conversion of times on US Pacific clocks, written without a time zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from sn37.domain.data.samples import TimeWindow

_ZONE = "America/Los_Angeles"


@cache
def _zone() -> ZoneInfo:
    """Return the rules of the package tzdata: those of the host may be of another year."""
    with files("tzdata").joinpath("zoneinfo", _ZONE).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=_ZONE)


def pacific_to_utc(written: datetime) -> datetime | None:
    """Return the moment of a naive Pacific time; ``None`` if that time never existed.

    The hour that occurs twice in November means the first one: a row may then seem an hour older
    than it is, but never younger. The hour that is skipped in March has no moments.
    """
    try:
        moment = written.replace(tzinfo=_zone(), fold=0).astimezone(UTC)
        again = moment.astimezone(_zone()).replace(tzinfo=None)
    except OverflowError:  # at the end of the range of dates
        return None
    return moment if again == written else None


def pacific_dates(window: TimeWindow) -> tuple[date, ...]:
    """Return the dates on Pacific calendars during the window, in order."""
    first = window.since.astimezone(_zone()).date()
    last = (window.until - timedelta(microseconds=1)).astimezone(_zone()).date()
    return tuple(_days(first, last))


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)
