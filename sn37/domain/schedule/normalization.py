"""Normalisation of the raw scores of tasks to one scale. Lower is better on both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from sn37.domain.schedule.broken_rule import BrokenRule


class Normalization(Protocol):
    """A non-decreasing function of a task's mean loss."""

    @property
    def scale(self) -> float:
        """Number of raw units per unit of the linear scale that evidence uses, > 0."""
        ...

    def apply(self, raw: float) -> float:
        """Return the normalised score that existing networks show."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Normalisation that keeps the raw score."""

    @property
    def scale(self) -> float:
        return 1.0

    def apply(self, raw: float) -> float:
        return raw


@dataclass(frozen=True, slots=True)
class InverseExponential:
    """``(1 - exp(-s / c)) / (1 - exp(-1))`` below the ceiling ``c``, 1 from there on.

    The formula of the existing networks (docs/protocol.md): steep at low
    losses, flat near the ceiling. Example: c = 20 maps 10 to 0.622 and 20 to 1.
    """

    ceiling: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.ceiling) and self.ceiling > 0):
            raise BrokenRule(
                f"ceiling must be positive and finite, not {self.ceiling}", "normalization"
            )

    @property
    def scale(self) -> float:
        return self.ceiling

    def apply(self, raw: float) -> float:
        if raw >= self.ceiling:
            return 1.0
        try:
            return (1 - math.exp(-raw / self.ceiling)) / (1 - math.exp(-1))
        except OverflowError:  # no honest worker reports such a negative loss
            return -math.inf
