"""Two validators that score the same samples with different rounding noise."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sn37.app.simulate.challenge import NEVER, Challenge, Sums, crowned_by_domain
from sn37.app.simulate.estimate import Figure, Progress
from sn37.app.simulate.losses import champion_losses, chunks, surprises

BF16_SD = 0.004  # of a sample's loss between two kinds of device, in mean losses
NUM_VALIDATORS = 2


def disagreement(
    challenge: Challenge,
    *,
    paths: int,
    seed: int,
    progress: Progress,
    noise_sd: float = BF16_SD,
) -> list[Figure]:
    """Measure the share of rounds in which two validators have different champions.

    There is one challenger. Both start with the same champion; each crowns at most once.
    """
    sizes = chunks(paths, challenge.samples)
    apart: list[npt.NDArray[np.int64]] = []
    for i, size in enumerate(sizes):
        apart.append(_rounds_apart(challenge, size, np.random.default_rng([seed, i]), noise_sd))
        progress(i + 1, len(sizes))
    shares = np.concatenate(apart) / challenge.rounds
    error = 1.96 * float(shares.std()) / math.sqrt(paths)
    mean = float(shares.mean())
    ratio = challenge.gain / challenge.epsilon
    return [
        Figure(
            name=f"gain {ratio:.1f} epsilon: share of rounds in disagreement",
            value=mean,
            low=max(0.0, mean - error),
            high=mean + error,
            trials=paths,
        )
    ]


def _rounds_apart(
    challenge: Challenge, paths: int, rng: np.random.Generator, noise_sd: float
) -> npt.NDArray[np.int64]:
    totals = [Sums.zero(paths) for _ in range(NUM_VALIDATORS)]
    crowned = np.full((NUM_VALIDATORS, paths), NEVER, dtype=np.int64)
    for number in range(1, challenge.rounds + 1):
        size = (paths, challenge.samples)
        a = champion_losses(rng, challenge.model, size)
        b = a - challenge.gain * a - surprises(rng, challenge.model, size)
        for total, when in zip(totals, crowned, strict=True):
            seen = a + noise_sd * rng.standard_normal(size)
            total.add(seen, seen - b - noise_sd * rng.standard_normal(size))
            when[crowned_by_domain(total, challenge.epsilon) & (when == NEVER)] = number
    # A validator that never crowned the challenger differs until the end.
    last = np.where(crowned == NEVER, challenge.rounds + 1, crowned)
    gap: npt.NDArray[np.int64] = np.abs(last[0] - last[1])
    return gap
