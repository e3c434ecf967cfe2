"""Draw from a table whose rows are read in groups: a few groups, then a dozen rows in each.

Reading one row of a group costs as much as reading all of it, so a draw reads few groups. Both
choices depend on the seed and the groups' sizes only. A row that does not fit is replaced by the
next row in an order that the seed also chooses, so no failed read can change a draw.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import accumulate, islice
from typing import TypeVar

from sn37.domain.ids import Seed

ROWS_PER_GROUP = 12  # 120 samples come from 10 groups
MIN_GROUPS = 10  # a small draw is spread over as many
MAX_GROUPS = 200  # of one draw, if few rows fit

T = TypeVar("T")

# Opens a group: the result returns the value of a row of it, or nothing if the row does not fit.
OpenGroup = Callable[[int], Callable[[int], T | None]]


def draw_rows(
    num_rows: Sequence[int], *, count: int, seed: Seed, open_group: OpenGroup[T]
) -> tuple[T, ...]:
    """Return the first ``count`` values of rows that fit, or all there are if these are fewer.

    Each planned group gives an equal part of what is still missing. If rows are missing after the
    last of them, further groups follow, up to ``MAX_GROUPS`` in all. If these do not suffice, the
    remaining rows of all groups count, so a small table can be drawn whole.

    Every row is equally likely if all groups have the same size and all rows fit.

    Args:
        num_rows: Sizes of the groups.
        open_group: Called once for each group, or twice for a small table; one at a time.
    """
    found: list[T] = []
    looked_at: dict[int, int] = {}  # rows, by group
    num_planned = min(planned_groups(count), sum(n > 0 for n in num_rows))
    for group in islice(group_order(num_rows, seed), MAX_GROUPS):
        missing = count - len(found)
        if missing == 0:
            break
        part = -(-missing // max(1, num_planned - len(looked_at)))
        rows = row_order(num_rows[group], group=group, seed=seed)
        looked_at[group] = _take(open_group(group), rows, part, found)
    for group, position in looked_at.items():
        missing = count - len(found)
        if missing and position < num_rows[group]:
            rows = row_order(num_rows[group], group=group, seed=seed)
            _take(open_group(group), islice(rows, position, None), missing, found)
    return tuple(found)


def planned_groups(count: int) -> int:
    """Return how many groups a draw of ``count`` rows reads if all rows fit: 10 for 120."""
    return max(min(MIN_GROUPS, count), -(-count // ROWS_PER_GROUP))


def group_order(num_rows: Sequence[int], seed: Seed) -> Iterator[int]:
    """Yield the groups that have rows, each once, in an order that the seed chooses.

    The chance of being next is in proportion to the group's rows.
    """
    starts = [0, *accumulate(num_rows)]
    left = starts.pop()
    below = _numbers(f"sn37/row-groups/1|{seed:064x}|")
    taken: list[int] = []
    while left:
        point = below(left)  # among the rows of the groups that are left
        for group in sorted(taken):
            if starts[group] > point:
                break
            point += num_rows[group]
        group = bisect_right(starts, point) - 1
        taken.append(group)
        left -= num_rows[group]
        yield group


def row_order(num_rows: int, *, group: int, seed: Seed) -> Iterator[int]:
    """Yield the numbers below ``num_rows``, each once, in an order that the seed chooses."""
    below = _numbers(f"sn37/rows/1|{seed:064x}|{group}|")
    moved: dict[int, int] = {}  # Fisher and Yates's shuffle of a list that is never made
    for position in range(num_rows):
        other = position + below(num_rows - position)
        row = moved.get(other, other)
        moved[other] = moved.get(position, position)
        yield row


def _take(
    value_of: Callable[[int], T | None], rows: Iterator[int], most: int, found: list[T]
) -> int:
    """Append up to ``most`` values to ``found``; return the number of rows looked at."""
    num_rows = 0
    for row in rows:
        num_rows += 1
        value = value_of(row)
        if value is not None:
            found.append(value)
            most -= 1
            if most == 0:
                break
    return num_rows


def _numbers(key: str) -> Callable[[int], int]:
    """Return a function whose calls give the next number below a limit, from hashes of the key."""
    begun, number = sha256(key.encode()), 0

    def below(limit: int) -> int:
        nonlocal number
        hashed = begun.copy()
        hashed.update(str(number).encode())
        number += 1
        return int.from_bytes(hashed.digest(), "big") % limit  # the bias is below limit / 2**256

    return below
