"""Estimate of the rounds that a challenger needs for the crown, from one round or a few.

It extrapolates: every coming round is assumed to add ``num_samples`` samples with the same mean
loss, mean gain and variance. The sums of N such samples are then

    sum a = N mu        sum d = N gain        sum d^2 = N (variance + gain^2)

and the rule decides whether they take the crown. With the differences of docs/winner.md this
gives its simulated medians. The true number of rounds varies around it by about its square root.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from sn37.domain.round.evidence import Pooled
from sn37.domain.round.winner import beats

MAX_ROUNDS = 10_000  # 500 days at 20 rounds a day; more counts as never

# Returns the margin in the given round; 1 is the challenger's first. It never grows.
Margin = Callable[[int], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Average contribution of a round to the evidence of a challenger."""

    num_samples: int  # per round
    mean: float  # mu, the champion's mean loss, positive
    gain: float  # mean of the champion's loss minus the challenger's
    variance: float  # of the gain over samples
    standard_error: float  # of the gain
    clipped_shift: float = 0.0  # mean of clipped gains minus mean gain
    clipped_variance: float | None = None  # of clipped gains; None: no gain is clipped

    @property
    def relative_gain(self) -> float:
        """Gain as a share of the champion's loss, which is compared with epsilon."""
        return self.gain / self.mean

    @property
    def relative_error(self) -> float:
        """Standard error of ``relative_gain``, with the champion's mean assumed exact."""
        return self.standard_error / self.mean

    def after(self, rounds: int) -> Pooled:
        """Return the expected sums after a number of rounds."""
        n = rounds * self.num_samples
        clipped = self.gain + self.clipped_shift
        variance = self.variance if self.clipped_variance is None else self.clipped_variance
        return Pooled(
            num_samples=n,
            champion=n * self.mean,
            challenger=n * (self.mean - self.gain),
            gain=n * self.gain,
            squares=n * (self.variance + self.gain * self.gain),
            clipped_gain=n * clipped,
            clipped_squares=n * (variance + clipped * clipped),
        )

    def shifted(self, errors: float) -> Rate:
        """Return the rate if the gain were larger by a number of standard errors."""
        return replace(self, gain=self.gain + errors * self.standard_error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Rounds until the crown, including the last one; ``None`` is never."""

    rounds: int | None
    soonest: int | None  # if the gain is one standard error larger
    latest: int | None  # if the gain is one standard error smaller


def rate_of(sums: Pooled, *, num_samples: int) -> Rate:
    """Return the rate from the samples scored so far.

    Args:
        num_samples: Number of samples of each coming round.

    Raises:
        ValueError: Fewer than two samples, a champion with no loss, or a loss not finite.
    """
    n = sums.num_samples
    if n < 2 or not sums.champion > 0 or not math.isfinite(sums.champion + sums.squares):
        raise ValueError(f"{n} samples with a champion's loss of {sums.champion} give no rate")
    gain = sums.gain / n
    variance = max(sums.squares - sums.gain * gain, 0.0) / (n - 1)
    clipped = sums.clipped_gain / n
    return Rate(
        num_samples=num_samples,
        mean=sums.champion / n,
        gain=gain,
        variance=variance,
        standard_error=math.sqrt(variance / n),
        clipped_shift=clipped - gain,
        clipped_variance=max(sums.clipped_squares - sums.clipped_gain * clipped, 0.0) / (n - 1),
    )


def constant(epsilon: float) -> Margin:
    """Return the margin of a constant epsilon."""
    return lambda _: epsilon


def outlook(rate: Rate, margin: Margin) -> Outlook:
    """Return the expected rounds until the crown passes, with a range."""
    return Outlook(
        rounds=rounds_until_crown(rate, margin),
        soonest=rounds_until_crown(rate.shifted(1), margin),
        latest=rounds_until_crown(rate.shifted(-1), margin),
    )


def rounds_until_crown(rate: Rate, margin: Margin) -> int | None:
    """Return the first round after which the expected sums take the crown; ``None`` is never.

    Once the sums take the crown they do so in every later round, so the first round is found by
    doubling and bisection.
    """

    def is_crowned(rounds: int) -> bool:
        return beats(rate.after(rounds), margin(rounds)) is None

    low, high = 0, 1  # not crowned after low
    while not is_crowned(high):
        if high == MAX_ROUNDS:
            return None
        low, high = high, min(2 * high, MAX_ROUNDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_crowned(middle) else (middle, high)
    return high
