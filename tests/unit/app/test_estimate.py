"""Exact confidence intervals of simulated rates."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.app.simulate.estimate import clopper_pearson, rate


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (5, 20, 0.0866, 0.4910),  # tables of the binomial distribution
        (1, 10, 0.0025, 0.4450),
        (10, 20, 0.2720, 0.7280),
    ],
)
def test_intervals_equal_the_tables(successes: int, trials: int, low: float, high: float) -> None:
    assert clopper_pearson(successes, trials) == pytest.approx((low, high), abs=1e-4)


def test_no_success_in_n_trials_bounds_the_rate_by_three_over_n() -> None:
    low, high = clopper_pearson(0, 600_000)
    assert low == 0
    assert high == pytest.approx(3 / 600_000, rel=2e-3)


def test_only_successes_leave_an_upper_bound_of_one() -> None:
    low, high = clopper_pearson(100, 100)
    assert low == pytest.approx(0.05 ** (1 / 100))
    assert high == 1


@settings(max_examples=30)
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_the_measured_rate(case: tuple[int, int]) -> None:
    figure = rate("rate", *case)
    assert figure.low is not None
    assert figure.high is not None
    assert 0 <= figure.low <= figure.value <= figure.high <= 1


@pytest.mark.parametrize("case", [(0, 0), (-1, 5), (6, 5)])
def test_an_impossible_count_is_refused(case: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="successes of"):
        clopper_pearson(*case)
