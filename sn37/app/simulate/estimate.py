"""Figures measured by simulations, with exact confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95

# Called with the number of steps done and their total.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number. ``low`` and ``high`` are its 95 % interval, if it has one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    trials: int | None = None


def rate(name: str, successes: int, trials: int) -> Figure:
    """Return a probability with its Clopper-Pearson interval."""
    low, high = clopper_pearson(successes, trials)
    return Figure(name=name, value=successes / trials, low=low, high=high, trials=trials)


# 97.5 % points of Student's t by degrees of freedom; beyond the table, of the normal distribution.
T_TWO_SIDED = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)


def mean(
    name: str, values: Sequence[float], *, within: tuple[float, float] = (-math.inf, math.inf)
) -> Figure:
    """Return the mean of independent runs with its t-interval, clipped to possible values.

    The mean of a single run has no interval.

    Raises:
        ValueError: ``values`` is empty.
    """
    num = len(values)
    if not num:
        raise ValueError(f"{name}: no runs, so no mean")
    middle = math.fsum(values) / num
    if num == 1:
        return Figure(name=name, value=middle, trials=1)
    variance = math.fsum((v - middle) ** 2 for v in values) / (num - 1)
    factor = T_TWO_SIDED[num - 2] if num - 2 < len(T_TWO_SIDED) else 1.96
    half = factor * math.sqrt(variance / num)
    low, high = max(middle - half, within[0]), min(middle + half, within[1])
    return Figure(name=name, value=middle, low=low, high=high, trials=num)


def clopper_pearson(
    successes: int, trials: int, *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return the exact interval of a binomial probability (Clopper and Pearson, 1934).

    With no success the upper bound is one-sided, as in the "rule of three".

    Raises:
        ValueError: Not 0 <= successes <= trials, or no trials.
    """
    if not (0 <= successes <= trials and trials):
        raise ValueError(f"{successes} successes of {trials} trials")
    one_sided = successes in (0, trials)
    tail = (1 - confidence) / (1 if one_sided else 2)
    low = _solve(lambda p: 1 - _cdf(successes - 1, trials, p) - tail) if successes else 0.0
    high = _solve(lambda p: tail - _cdf(successes, trials, p)) if successes < trials else 1.0
    return low, high


def _cdf(k: int, n: int, p: float) -> float:
    """Return the probability of at most ``k`` successes in ``n`` trials, 0 < p < 1."""
    log_n = math.lgamma(n + 1)
    return math.fsum(
        math.exp(
            log_n
            - math.lgamma(i + 1)
            - math.lgamma(n - i + 1)
            + i * math.log(p)
            + (n - i) * math.log1p(-p)
        )
        for i in range(k + 1)
    )


def _solve(increasing: Callable[[float], float]) -> float:
    """Return the zero of an increasing function on (0, 1), by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if increasing(middle) < 0:
            low = middle
        else:
            high = middle
    return high
