"""How many rounds a challenger needs for the crown, from the samples of one round or a few.

What was measured is carried on: every coming round is taken to add ``num_samples`` samples with
the same mean loss, mean gain and variance. The sums of N such samples are then

    sum a = N mu        sum d = N gain        sum d^2 = N (variance + gain^2)

and the rule itself says whether they take the crown. With the differences of docs/winner.md this
gives its simulated medians; the true number of rounds scatters around it by about its root.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from sn37.domain.round.evidence import Pooled
from sn37.domain.round.winner import beats

MAX_ROUNDS = 10_000  # 500 days at 20 rounds a day: beyond it, never

# The margin that a challenger must clear in the given round, 1 for its first. It never grows.
Margin = Callable[[int], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a round adds to the evidence of a challenger, on average."""

    num_samples: int  # of a round
    mean: float  # mu, the champion's mean loss, positive
    gain: float  # mean of the champion's loss less the challenger's
    variance: float  # of the gain over samples
    standard_error: float  # of the gain
    clipped_shift: float = 0.0  # by how much the mean of clipped gains is larger
    clipped_variance: float | None = None  # of clipped gains; None: nothing is clipped

    @property
    def relative_gain(self) -> float:
        """What epsilon is compared with: by which share of the champion's loss it is better."""
        return self.gain / self.mean

    @property
    def relative_error(self) -> float:
        """The standard error of ``relative_gain``, the champion's mean taken for exact."""
        return self.standard_error / self.mean

    def after(self, rounds: int) -> Pooled:
        """The sums to expect after so many rounds."""
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
        """The same if the gain were so many standard errors larger."""
        return replace(self, gain=self.gain + errors * self.standard_error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Rounds until the crown, the last of them included; ``None`` is never."""

    rounds: int | None
    soonest: int | None  # if the gain is one standard error larger
    latest: int | None  # or smaller


def rate_of(sums: Pooled, *, num_samples: int) -> Rate:
    """The rate that the samples scored so far show.

    Args:
        num_samples: Of each coming round.

    Raises:
        ValueError: Fewer than two samples, a champion with no loss, or a loss not finite.
    """
    n = sums.num_samples
    if n < 2 or not sums.champion > 0 or not math.isfinite(sums.champion + sums.squares):
        raise ValueError(f"{n} samples on which the champion has lost {sums.champion} give no rate")
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
    """The margin of an epsilon that does not change."""
    return lambda _: epsilon


def outlook(rate: Rate, margin: Margin) -> Outlook:
    """When the crown would change hands, and how sure that is."""
    return Outlook(
        rounds=rounds_until_crown(rate, margin),
        soonest=rounds_until_crown(rate.shifted(1), margin),
        latest=rounds_until_crown(rate.shifted(-1), margin),
    )


def rounds_until_crown(rate: Rate, margin: Margin) -> int | None:
    """The first round after which the expected sums take the crown; ``None`` is never.

    Sums that are proven stay proven, and a margin that was cleared stays cleared, so the round
    is found by doubling and halving.
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
