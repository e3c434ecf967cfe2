"""Bringing the raw scores of tasks to one scale. Lower is better before and after."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Normalization(Protocol):
    """A non-decreasing map of a task's mean loss."""

    @property
    def scale(self) -> float:
        """Raw units per unit of the linear scale that evidence uses, > 0."""
        ...

    def apply(self, raw: float) -> float:
        """The normalised score, as existing networks show it."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Leave the raw score as it is."""

    @property
    def scale(self) -> float:
        return 1.0

    def apply(self, raw: float) -> float:
        return raw


@dataclass(frozen=True, slots=True)
class InverseExponential:
    """``(1 - exp(-s / c)) / (1 - exp(-1))`` below the ceiling ``c``, 1 from there on.

    The formula of the existing networks (docs/protocol.md): steep for good
    models, flat near the ceiling. Example: c = 20 maps 10 to 0.622 and 20 to 1.
    """

    ceiling: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.ceiling) and self.ceiling > 0):
            raise ValueError(f"ceiling must be positive and finite, not {self.ceiling}")

    @property
    def scale(self) -> float:
        return self.ceiling

    def apply(self, raw: float) -> float:
        if raw >= self.ceiling:
            return 1.0
        try:
            return (1 - math.exp(-raw / self.ceiling)) / (1 - math.exp(-1))
        except OverflowError:  # no loss of an honest worker is that negative
            return -math.inf
