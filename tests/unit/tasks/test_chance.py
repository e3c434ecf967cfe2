"""Choices of the generators: the same everywhere, evenly spread."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.tasks.chance import Chance


def test_the_stream_of_a_key_never_changes() -> None:
    chance = Chance("key")
    assert [chance.below(1000) for _ in range(6)] == [189, 731, 226, 157, 325, 976]
    assert Chance("key").shuffled("abcdef") == ["b", "f", "c", "e", "d", "a"]


@pytest.mark.parametrize("bound", [1, 2, 7, 2**63 + 1, 2**64])
def test_numbers_lie_below_their_bound(bound: int) -> None:
    chance = Chance("bound")
    assert all(0 <= chance.below(bound) < bound for _ in range(200))


def test_numbers_of_a_bound_that_does_not_divide_the_range_are_even() -> None:
    bound = 2**63 + 2**62  # without rejection a third would have twice the probability of the rest
    chance = Chance("even")
    low = sum(chance.below(bound) < 2**62 for _ in range(3000))
    assert 900 < low < 1100  # 1,000 with a standard deviation of 26; without rejection 1,500


def test_every_number_comes_about_as_often() -> None:
    chance = Chance("often")
    counts = Counter(chance.between(3, 12) for _ in range(10_000))
    assert set(counts) == set(range(3, 13))
    assert all(850 < count < 1150 for count in counts.values())  # five standard deviations of 30


@given(st.text(max_size=20), st.lists(st.integers(), max_size=20))
def test_a_shuffle_keeps_what_it_is_given(key: str, items: list[int]) -> None:
    assert sorted(Chance(key).shuffled(items)) == sorted(items)


def test_some_of_the_options_are_different_ones() -> None:
    assert all(len(set(Chance(str(n)).some(range(10), 6))) == 6 for n in range(100))


def test_other_keys_give_other_choices() -> None:
    assert len({Chance(str(n)).below(2**64) for n in range(1000)}) == 1000
