"""A run's history inside a time window: the steps to request, and the rows that count.

Steps are read backwards in pages, from the newest one to the first page whose rows are all
older than the window. Pages begin at multiples of their length. If steps are far apart, as
block numbers are, pages become wider.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain

from sn37.adapters.dataset.wandb_messages import Query, RowFound, RunFound, moment
from sn37.domain.canonical import JsonValue
from sn37.domain.data.samples import TimeWindow
from sn37.domain.known_facts import checked, known

# One step every two seconds in four hours; a validator logs at most one every few seconds.
MAX_STEPS = 8192
MAX_RUN_CHARACTERS = 1 << 27  # of the wanted columns; as much as a whole pool
MAX_PAGES = 512  # enough for these steps and gaps between them; each may take 0.1 s
WIDEST = 8  # times the length of a page: dense rows behind a gap must fit into memory too
# Steps that were never logged: a run that jumps by billions ends here. With pages of 32 steps
# these are 15,840; a block number takes two days for them.
MAX_EMPTY_PAGES = 64
BEFORE_A_GAP = "steps before a gap that is too long"
MAX_INDEX_DIGITS = 4

HistoryPage = list[Mapping[str, JsonValue]]
ReadPage = Callable[[int, int], HistoryPage]  # first step, end (exclusive); rows ascending


class HistoryChanged(Exception):
    """Two answers about the same steps contradict each other, or have other steps."""


class Flooded(Exception):
    """A run has more in the window than is useful."""


def rows_of(
    run: RunFound, last_step: int, query: Query, read: ReadPage, left_out: Counter[str]
) -> Iterator[RowFound]:
    """Return the valid rows of a run, by step; count the others by reason.

    Raises:
        HistoryChanged: Two answers contradict each other, or have other steps than requested.
        Flooded: The run has too much in the window; no row has been yielded.
    """
    window = TimeWindow(since=_moment(query.since), until=_moment(query.until))

    def read_wanted(start: int, stop: int) -> HistoryPage:
        return _without_copies([_wanted(row, query) for row in read(start, stop)])

    pages = _pages(last_step, query.page_steps, window, read_wanted, left_out)
    return _rows(run, chain.from_iterable(pages), query, window, left_out)


def _pages(
    last_step: int, length: int, window: TimeWindow, read: ReadPage, left_out: Counter[str]
) -> Iterable[HistoryPage]:
    """Return the pages down to the first one before the window, the oldest first."""
    pages: list[HistoryPage] = []
    empty = steps = characters = 0
    width, stop = length, last_step + 1
    while stop > 0:
        start = max(0, (stop - 1) // length * length + length - width)
        page = _page(start, stop, read)
        times = [t for row in page if (t := moment(row.get("_timestamp"))) is not None]
        if times and max(times) < window.since:
            break
        empty = 0 if times else empty + 1
        if empty == MAX_EMPTY_PAGES and start:
            left_out[BEFORE_A_GAP] += start
            break
        pages.append(page)
        steps += len(page)
        characters += sum(map(_size, page))
        if max(steps - MAX_STEPS, characters - MAX_RUN_CHARACTERS, len(pages) - MAX_PAGES) > 0:
            raise Flooded
        width = _next_width(width, len(page), length)
        stop = start
    return reversed(pages)


def _next_width(width: int, num_rows: int, length: int) -> int:
    """Return twice the width after a page without rows, and less if rows are close again."""
    if not num_rows:
        return min(2 * width, WIDEST * length)
    return max(length, width // 2) if num_rows <= length // 2 else length


def _wanted(row: Mapping[str, JsonValue], query: Query) -> dict[str, JsonValue]:
    """Return the requested texts and numbers; archived rows have null for missing columns."""
    plain = {"_step", "_timestamp", *query.columns}
    return {
        name: value
        for name, value in row.items()
        if isinstance(value, str | int | float)
        and (name in plain or name.rpartition(".")[0] in query.indexed)
    }


def _without_copies(page: HistoryPage) -> HistoryPage:
    """Remove copies: between a run's archived and its newest rows, some appear twice."""
    return [row for row, before in zip(page, [None, *page], strict=False) if row != before]


def _size(row: Mapping[str, JsonValue]) -> int:
    return sum(len(value) for value in row.values() if isinstance(value, str))


def _page(start: int, stop: int, read: ReadPage) -> HistoryPage:
    page = read(start, stop)
    if len(page) < stop - start and read(start, stop) != page:
        raise HistoryChanged(f"steps {start} to {stop - 1} changed between two reads")
    steps = [row.get("_step") for row in page]
    in_range = [s for s in steps if isinstance(s, int) and start <= s < stop]
    if len(in_range) != len(page) or in_range != sorted(set(in_range)):
        raise HistoryChanged(f"steps {start} to {stop - 1} were requested, others received")
    return page


def _rows(
    run: RunFound,
    history: Iterable[Mapping[str, JsonValue]],
    query: Query,
    window: TimeWindow,
    left_out: Counter[str],
) -> Iterator[RowFound]:
    newest = 0.0
    for row in history:
        step = checked(row["_step"], int, "a page has a step in each row")
        written = row.get("_timestamp")
        time = moment(written)
        if time is None or not isinstance(written, int | float):
            left_out["rows without a time"] += 1
            continue
        in_order = written >= newest
        newest = max(newest, written)
        if time not in window:
            continue
        if not run.created_at <= written <= run.heartbeat_at:
            left_out["rows from outside their run's time"] += 1
        elif not in_order:
            left_out["rows older than the row before"] += 1
        else:
            for index, values in _indices(row, query):
                yield RowFound(run=run.id, step=step, index=index, written=written, values=values)


def _indices(
    row: Mapping[str, JsonValue], query: Query
) -> Iterator[tuple[int | None, dict[str, JsonValue]]]:
    whole = {name: row[name] for name in query.columns if name in row}
    if not query.indexed:
        yield None, whole
        return
    first, *_ = query.indexed
    for column in sorted(row):  # the client shuffles them
        name, _, digits = column.rpartition(".")
        # One spelling for each index: "07" would be a second row 7.
        if name != first or not _is_index(digits):
            continue
        columns = {name: f"{name}.{digits}" for name in query.indexed}
        if all(column in row for column in columns.values()):
            yield int(digits), whole | {name: row[c] for name, c in columns.items()}


def _is_index(digits: str) -> bool:
    return (
        digits.isascii()
        and digits.isdecimal()
        and len(digits) <= MAX_INDEX_DIGITS
        and str(int(digits)) == digits
    )


def _moment(seconds: float) -> datetime:
    return known(moment(seconds), "a query's window has two times")
