"""Shares of the emission by hotkey."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sn37.domain.ids import Hotkey


@dataclass(frozen=True, slots=True)
class WeightVector:
    """Non-negative shares that sum to 1, keyed by hotkey.

    Raises:
        ValueError: A share is negative or not finite, or the sum is not 1 within 1e-9.
    """

    shares: Mapping[Hotkey, float]

    def __post_init__(self) -> None:
        for hotkey, share in self.shares.items():
            if not (math.isfinite(share) and share >= 0):
                raise ValueError(f"share of {hotkey} must be finite and non-negative, not {share}")
        total = math.fsum(self.shares.values())
        if not math.isclose(total, 1.0, rel_tol=0, abs_tol=1e-9):
            raise ValueError(f"shares must sum to 1, not {total!r}")
