"""Shares of the emission by hotkey."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sn37.domain.ids import Hotkey

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class WeightVector:
    """Non-negative shares that sum to 1, keyed by hotkey.

    Raises:
        ValueError: A share is not between 0 and 1, or the sum is not 1 within 1e-9.
    """

    shares: Mapping[Hotkey, float]

    def __post_init__(self) -> None:
        for hotkey, share in self.shares.items():
            if not 0 <= share <= 1 + _TOLERANCE:
                raise ValueError(f"share of {hotkey} must be between 0 and 1, not {share}")
        total = math.fsum(self.shares.values())
        if not math.isclose(total, 1.0, rel_tol=0, abs_tol=_TOLERANCE):
            raise ValueError(f"shares must sum to 1, not {total!r}")
