"""Pauses between attempts."""

from __future__ import annotations

import math
from dataclasses import dataclass

_MAX_DOUBLINGS = 1000  # the next few would overflow a float


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double with each failure in a row, up to a longest one, in any unit.

    Example: ``Backoff(1.0, 60.0)`` pauses for 1, 2, 4, 8, 16, 32, 60, 60, ...

    Raises:
        ValueError: The first pause is not positive, or longer than the longest.
    """

    first: float
    longest: float = math.inf

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.longest:
            raise ValueError(f"pauses from {self.first} to {self.longest} cannot double")

    def after(self, num_failures: int) -> float:
        """Return the pause after ``num_failures`` failures in a row; ``num_failures`` >= 1."""
        doublings = min(max(num_failures - 1, 0), _MAX_DOUBLINGS)
        return min(self.first * 2.0**doublings, self.longest)
