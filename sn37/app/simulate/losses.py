"""Losses like those of fine-tunes of one base: similar on each sample, with rare outliers.

The unit of loss is the champion's mean. Shape letters: P paths, N samples, K challengers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

CHUNK_SAMPLES = 2_000_000  # per array: 16 MB


class Shape(StrEnum):
    """Distribution of the difference between two models' losses on a sample."""

    NORMAL = "normal"
    HEAVY = "heavy"  # Student's t with 3 degrees of freedom: its kurtosis is infinite
    SKEWED = "skewed"  # negative lognormal, skewness -6: the challenger rarely loses, but much
    RARE = "rare"  # slightly better on 99 of 100 samples, ten deviations worse on one: the limit


@dataclass(frozen=True, slots=True, kw_only=True)
class LossModel:
    """Variation of losses.

    Example: spread 0.43 and correlation 0.98 give differences a standard deviation of 0.086, and
    a gain measured on 300 samples a standard error of 0.5 %.
    """

    shape: Shape = Shape.HEAVY
    spread: float = 0.43  # standard deviation of a loss over samples
    correlation: float = 0.98  # between two models' losses

    @property
    def gain_sd(self) -> float:
        """Standard deviation of the difference between two models on a sample."""
        return self.spread * math.sqrt(2 * (1 - self.correlation))


def champion_losses(rng: np.random.Generator, model: LossModel, size: tuple[int, ...]) -> Array:
    """Draw lognormal losses with mean 1."""
    variance = math.log1p(model.spread**2)
    return rng.lognormal(-variance / 2, math.sqrt(variance), size)


def surprises(rng: np.random.Generator, model: LossModel, size: tuple[int, ...]) -> Array:
    """Draw by how much a challenger looks better than it is on each sample; mean 0."""
    return model.gain_sd * standardized(rng, model.shape, size)


def standardized(rng: np.random.Generator, shape: Shape, size: tuple[int, ...]) -> Array:
    """Draw numbers with mean 0 and variance 1."""
    if shape is Shape.NORMAL:
        return rng.standard_normal(size)
    if shape is Shape.HEAVY:
        return rng.standard_t(3, size) / math.sqrt(3)
    if shape is Shape.RARE:
        return np.where(rng.random(size) < 0.01, -math.sqrt(99), math.sqrt(1 / 99))
    mean = math.exp(0.5)
    return (mean - rng.lognormal(0, 1, size)) / (mean * math.sqrt(math.e - 1))


def chunks(paths: int, samples: int) -> list[int]:
    """Return numbers of paths to simulate at a time, so that they fit into memory."""
    size = max(1, CHUNK_SAMPLES // samples)
    return [min(size, paths - start) for start in range(0, paths, size)]
