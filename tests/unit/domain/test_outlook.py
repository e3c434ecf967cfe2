"""Rounds until the crown: by the rule, from the rate that samples show."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.app.simulate.challenge import Challenge, Rule, run
from sn37.app.simulate.losses import LossModel, Shape
from sn37.domain.round.evidence import LOG_LEVEL, Pooled, clipped, log_e_value
from sn37.domain.round.rounds_to_crown import (
    MAX_ROUNDS,
    Outlook,
    Rate,
    outlook,
    rate_of,
    rounds_until_crown,
)

# The differences that docs/winner.md simulates: spread 0.43 and correlation 0.98.
SD = 0.43 * math.sqrt(2 * 0.02)

gains = st.floats(-0.2, 0.2)
margins = st.floats(0, 0.05)
rates = st.builds(
    lambda gain, sd, n: a_rate(gain, sd=sd, num_samples=n),
    gains,
    st.floats(0.01, 0.5),
    st.integers(16, 700),
)


def a_rate(gain: float, *, sd: float = SD, num_samples: int = 300) -> Rate:
    return Rate(
        num_samples=num_samples,
        mean=1.0,
        gain=gain,
        variance=sd * sd,
        standard_error=sd / math.sqrt(num_samples),
    )


def number(rounds: int | None) -> float:
    return math.inf if rounds is None else rounds


@pytest.mark.parametrize(
    ("gain", "num_samples", "median"),
    [
        (0.01, 300, 9),
        (0.02, 300, 3),
        (0.03, 300, 2),
        (0.01, 120, 22),
        (0.02, 120, 7),
        (0.03, 120, 4),
    ],
)
def test_the_medians_of_the_simulated_rule_are_met(
    gain: float, num_samples: int, median: int
) -> None:
    """Those of docs/winner.md, epsilon 0.5 %."""
    rounds = rounds_until_crown(a_rate(gain, num_samples=num_samples), lambda _: 0.005)
    assert rounds is not None
    assert abs(rounds - median) <= 1


@pytest.mark.parametrize("gain", [0.012, 0.02, 0.05])
def test_it_lies_within_a_fifth_of_what_gaussian_differences_take(gain: float) -> None:
    challenge = Challenge(
        gain=gain, samples=64, rounds=90, model=LossModel(shape=Shape.NORMAL, correlation=0.98)
    )
    outcome = run(challenge, paths=200, seed=1, progress=lambda *_: None)
    median = float(np.median(outcome.crowned[Rule.POOLED]))
    rounds = rounds_until_crown(a_rate(gain, num_samples=64), lambda _: 0.005)
    assert rounds is not None
    assert abs(rounds - median) <= max(1, median / 5)


@given(rates, margins, st.floats(0, 0.1))
def test_a_larger_gain_never_takes_longer(rate: Rate, margin: float, more: float) -> None:
    better = replace(rate, gain=rate.gain + more)
    assert number(rounds_until_crown(better, lambda _: margin)) <= number(
        rounds_until_crown(rate, lambda _: margin)
    )


@given(rates, margins)
def test_a_gain_that_the_margin_swallows_is_never_crowned(rate: Rate, margin: float) -> None:
    found = rounds_until_crown(replace(rate, gain=min(rate.gain, margin - 1e-6)), lambda _: margin)
    assert found is None


@given(rates, margins)
def test_the_round_found_is_the_first_that_takes_the_crown(rate: Rate, margin: float) -> None:
    rounds = rounds_until_crown(rate, lambda _: margin)
    if rounds is not None:
        assert 1 <= rounds <= MAX_ROUNDS
        assert rate.after(rounds).clears(margin)
        assert log_e_value(rate.after(rounds)) >= LOG_LEVEL
        assert rounds == 1 or log_e_value(rate.after(rounds - 1)) < LOG_LEVEL


@given(rates, margins)
def test_the_band_holds_the_estimate(rate: Rate, margin: float) -> None:
    found = outlook(rate, lambda _: margin)
    assert number(found.soonest) <= number(found.rounds) <= number(found.latest)


def test_a_margin_that_shrinks_is_waited_for() -> None:
    """Proven after three rounds, and better by enough in the sixth."""
    shrinking = [0.05, 0.05, 0.04, 0.03, 0.025, 0.019]
    assert rounds_until_crown(a_rate(0.02), lambda k: shrinking[min(k, 6) - 1]) == 6


def test_a_gain_near_the_margin_may_never_be_crowned() -> None:
    assert outlook(a_rate(0.01), lambda _: 0.0051) == Outlook(rounds=9, soonest=5, latest=None)


@given(st.lists(st.tuples(st.floats(0.5, 5), st.floats(0.5, 5)), min_size=2, max_size=40))
def test_the_rate_of_samples_gives_their_sums_back(losses: list[tuple[float, float]]) -> None:
    d = [a - b for a, b in losses]
    cut = clipped([a for a, _ in losses], d)
    sums = Pooled(
        num_samples=len(losses),
        champion=math.fsum(a for a, _ in losses),
        challenger=math.fsum(b for _, b in losses),
        gain=math.fsum(d),
        squares=math.fsum(x * x for x in d),
        clipped_gain=math.fsum(cut),
        clipped_squares=math.fsum(x * x for x in cut),
    )
    rate = rate_of(sums, num_samples=len(losses))
    again = rate.after(1)
    assert rate.relative_gain == pytest.approx(1 - sums.ratio, abs=1e-9)
    assert again.champion == pytest.approx(sums.champion)
    assert again.challenger == pytest.approx(sums.challenger)
    assert again.gain == pytest.approx(sums.gain, abs=1e-9)
    assert again.clipped_gain == pytest.approx(sums.clipped_gain, abs=1e-9)
    assert rate.variance == pytest.approx(float(np.var(d, ddof=1)), abs=1e-9)
    assert rate.relative_error == pytest.approx(math.sqrt(rate.variance / len(d)) / rate.mean)


@pytest.mark.parametrize(
    ("num_samples", "champion", "squares"),
    [(1, 1.0, 0.0), (9, 0.0, 1.0), (9, math.nan, 1.0), (9, 1.0, math.inf)],
)
def test_losses_that_say_nothing_give_no_rate(
    num_samples: int, champion: float, squares: float
) -> None:
    sums = Pooled(
        num_samples=num_samples,
        champion=champion,
        challenger=1.0,
        gain=0.0,
        squares=squares,
        clipped_gain=0.0,
        clipped_squares=squares,
    )
    with pytest.raises(ValueError, match="give no rate"):
        rate_of(sums, num_samples=300)
