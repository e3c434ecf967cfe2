"""Pauses between attempts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    pauses = Backoff(1.0, 60.0)
    assert [pauses.after(n) for n in range(1, 10)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(st.integers(1, 10**9), st.floats(1e-3, 1e3), st.floats(1e3, 1e6))
def test_any_number_of_failures_gives_a_finite_pause_within_bounds(
    num_failures: int, first: float, longest: float
) -> None:
    pause = Backoff(first, longest).after(num_failures)
    assert first <= pause <= longest
    assert math.isfinite(Backoff(first).after(num_failures))


@pytest.mark.parametrize(("first", "longest"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (math.nan, 1)])
def test_pauses_that_cannot_double_are_refused(first: float, longest: float) -> None:
    with pytest.raises(ValueError, match="cannot double"):
        Backoff(first, longest)
