"""Which rows of a table of row groups a seed draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.data import row_groups
from sn37.domain.data.row_groups import draw_rows, group_order, planned_groups, row_order
from sn37.domain.ids import Seed

Row = tuple[int, int]

sizes = st.lists(st.integers(0, 30), max_size=30)
seeds = st.integers(0, 2**256 - 1).map(Seed)


class Table:
    """A table of which some rows do not fit; it counts how often groups are opened."""

    def __init__(self, fits: Callable[[Row], bool] = lambda _: True) -> None:
        self.fits = fits
        self.opened: list[int] = []

    def open(self, group: int) -> Callable[[int], Row | None]:
        self.opened.append(group)
        return lambda row: (group, row) if self.fits((group, row)) else None


@given(num_rows=sizes, seed=seeds)
def test_every_group_with_rows_has_one_place_in_the_order(num_rows: list[int], seed: Seed) -> None:
    expected = [group for group, size in enumerate(num_rows) if size]
    assert sorted(group_order(num_rows, seed)) == expected


@given(num_rows=st.integers(0, 200), group=st.integers(0, 5), seed=seeds)
def test_every_row_of_a_group_has_one_place_in_the_order(
    num_rows: int, group: int, seed: Seed
) -> None:
    assert sorted(row_order(num_rows, group=group, seed=seed)) == list(range(num_rows))


@given(num_rows=sizes, count=st.integers(1, 400), seed=seeds, odd=st.integers(1, 5))
def test_a_draw_has_as_many_distinct_fitting_rows_as_asked_or_all_there_are(
    num_rows: list[int], count: int, seed: Seed, odd: int
) -> None:
    def fits(row: Row) -> bool:
        return (row[0] + row[1]) % odd == 0

    there = {(g, r) for g, size in enumerate(num_rows) for r in range(size) if fits((g, r))}
    found = draw_rows(num_rows, count=count, seed=seed, open_group=Table(fits).open)
    assert len(found) == len(set(found)) == min(count, len(there))
    assert set(found) <= there


@given(count=st.integers(1, 400), seed=seeds)
def test_a_large_table_is_opened_once_for_each_planned_group(count: int, seed: Seed) -> None:
    table = Table()
    found = draw_rows([1000] * 100_000, count=count, seed=seed, open_group=table.open)
    assert len(found) == count
    assert len(table.opened) == len(set(table.opened)) == planned_groups(count)
    shares = Counter(group for group, _ in found).values()
    assert max(shares) - min(shares) <= 1


def test_120_rows_of_a_hundred_million_come_from_ten_groups_with_a_dozen_rows_each() -> None:
    table = Table()
    found = draw_rows([1000] * 100_000, count=120, seed=Seed(37), open_group=table.open)
    assert len(table.opened) == 10
    assert set(Counter(group for group, _ in found).values()) == {12}


@given(seed=seeds, num_rows=st.lists(st.integers(20, 40), min_size=12, max_size=30))
def test_a_row_that_does_not_fit_is_replaced_by_the_next_of_its_group(
    seed: Seed, num_rows: list[int]
) -> None:
    whole = draw_rows(num_rows, count=24, seed=seed, open_group=Table().open)
    gone = whole[0]
    found = draw_rows(num_rows, count=24, seed=seed, open_group=Table(lambda r: r != gone).open)
    order = list(row_order(num_rows[gone[0]], group=gone[0], seed=seed))
    taken = sum(row[0] == gone[0] for row in whole)
    assert set(found) == {*whole, (gone[0], order[taken])} - {gone}


def test_groups_without_fitting_rows_are_followed_by_others_up_to_a_limit() -> None:
    few = Table(lambda row: row[0] % 10 == 0)
    assert len(draw_rows([5] * 1000, count=20, seed=Seed(1), open_group=few.open)) == 20
    none = Table(lambda _: False)
    assert draw_rows([5] * 1000, count=20, seed=Seed(1), open_group=none.open) == ()
    assert len(none.opened) == row_groups.MAX_GROUPS


def test_a_groups_chance_is_in_proportion_to_its_rows() -> None:
    first = Counter(next(group_order([10, 0, 30, 60], Seed(seed))) for seed in range(4000))
    assert first[1] == 0
    # 400, 1200 and 2400 are expected; four standard deviations are at most 125.
    assert abs(first[0] - 400) < 80
    assert abs(first[2] - 1200) < 120
    assert abs(first[3] - 2400) < 125


def test_a_groups_first_rows_are_each_as_likely() -> None:
    counts = Counter(
        row
        for seed in range(2000)
        for row in islice(row_order(20, group=seed % 3, seed=Seed(seed)), 5)
    )
    # 500 of each are expected; the standard deviation is below 20.
    assert all(abs(counts[row] - 500) < 80 for row in range(20))


def test_every_row_of_equal_groups_is_as_likely_in_a_draw() -> None:
    counts: Counter[Row] = Counter()
    for seed in range(1000):
        counts.update(draw_rows([20] * 12, count=60, seed=Seed(seed), open_group=Table().open))
    # 250 of each of the 240 rows are expected; the standard deviation is below 14.
    assert len(counts) == 240
    assert all(abs(number - 250) < 70 for number in counts.values())


def test_the_order_of_a_seed_never_changes() -> None:
    assert list(islice(group_order([1000] * 1000, Seed(37)), 3)) == [784, 769, 892]
    assert list(islice(row_order(1000, group=5, seed=Seed(37)), 3)) == [884, 454, 214]
