"""One challenger against one champion, over many rounds and many paths at once.

numpy draws losses and adds them up; the domain decides if the sums take the crown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from sn37.app.simulate.estimate import Figure, Progress, rate
from sn37.app.simulate.losses import Array, LossModel, champion_losses, chunks, surprises
from sn37.domain.round.evidence import LOG_LEVEL, Pooled, clipped_log_e_value
from sn37.domain.round.winner import beats

NEVER = 0
T_LEVEL_5 = 1.645  # one-sided 5 % point of the normal distribution


class Rule(StrEnum):
    """A rule for taking the crown."""

    POOLED = "king of the hill"
    PAIRWISE = "pairwise"
    ONE_ROUND = "pairwise + one-round t-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A challenger with a true relative ``gain``, scored on ``samples`` in each round."""

    gain: float = 0.0
    epsilon: float = 0.005
    samples: int = 300
    rounds: int = 200
    model: LossModel = field(default_factory=LossModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """For each path: the round in which each rule crowned the challenger, and the peak evidence."""

    crowned: dict[Rule, npt.NDArray[np.int64]]  # NEVER or 1, 2, ...
    peak_log_e: Array  # over all rounds, without the margin; 0 where below about 2


@dataclass(slots=True, kw_only=True)
class Sums:
    """Running sums of each path, updated in place; the domain reads one path at a time.

    Differences are clipped at 1, the mean of the drawn losses.
    """

    num_samples: int
    champion: Array
    gain: Array
    squares: Array
    clipped_gain: Array
    clipped_squares: Array

    @classmethod
    def zero(cls, size: int | tuple[int, ...]) -> Sums:
        return cls(
            num_samples=0,
            champion=np.zeros(size),
            gain=np.zeros(size),
            squares=np.zeros(size),
            clipped_gain=np.zeros(size),
            clipped_squares=np.zeros(size),
        )

    def add(self, a: Array, d: Array) -> None:
        """Add losses ``a`` of the champion and gains ``d``, samples on the last axis."""
        self.num_samples += d.shape[-1]
        self.champion += a.sum(axis=-1)
        self.gain += d.sum(axis=-1)
        self.squares += np.square(d).sum(axis=-1)
        clipped = np.clip(d, -1.0, 1.0)
        self.clipped_gain += clipped.sum(axis=-1)
        self.clipped_squares += np.square(clipped).sum(axis=-1)

    def leading(self, epsilon: float) -> npt.NDArray[np.bool_]:
        """Return where the challenger exceeds the margin: a filter before the domain decides."""
        return self.champion - self.gain < self.champion * (1 - epsilon)

    def promising(self) -> npt.NDArray[np.bool_]:
        """Return where the e-value may exceed 2: a filter before the domain decides."""
        mean = self.champion / self.num_samples
        return self.clipped_gain - mean > 1.5 * np.sqrt(self.clipped_squares + mean**2)

    def pooled(self, path: int) -> Pooled:
        a, d = float(self.champion[path]), float(self.gain[path])
        return Pooled(
            num_samples=self.num_samples,
            champion=a,
            challenger=a - d,
            gain=d,
            squares=float(self.squares[path]),
            clipped_gain=float(self.clipped_gain[path]),
            clipped_squares=float(self.clipped_squares[path]),
        )


def run(challenge: Challenge, *, paths: int, seed: int, progress: Progress) -> Outcome:
    """Simulate ``paths`` challenges. Deterministic in ``seed``."""
    sizes = chunks(paths, challenge.samples)
    parts = []
    for i, size in enumerate(sizes):
        parts.append(_run_chunk(challenge, size, np.random.default_rng([seed, i])))
        progress(i + 1, len(sizes))
    return Outcome(
        crowned={rule: np.concatenate([p.crowned[rule] for p in parts]) for rule in Rule},
        peak_log_e=np.concatenate([p.peak_log_e for p in parts]),
    )


def _run_chunk(challenge: Challenge, paths: int, rng: np.random.Generator) -> Outcome:
    crowned = {rule: np.full(paths, NEVER, dtype=np.int64) for rule in Rule}
    peak = np.zeros(paths)
    total = Sums.zero(paths)
    for number in range(1, challenge.rounds + 1):
        size = (paths, challenge.samples)
        a = champion_losses(rng, challenge.model, size)
        d = challenge.gain * a + surprises(rng, challenge.model, size)
        this_round = Sums.zero(paths)
        this_round.add(a, d)
        total.add(a, d)
        for path in np.flatnonzero(total.promising()):
            peak[path] = max(peak[path], clipped_log_e_value(total.pooled(int(path))))
        passed = one_round_verdicts(this_round, challenge.epsilon)
        passed[Rule.POOLED] = crowned_by_domain(total, challenge.epsilon)
        for rule, verdict in passed.items():
            crowned[rule][verdict & (crowned[rule] == NEVER)] = number
    return Outcome(crowned=crowned, peak_log_e=peak)


def crowned_by_domain(total: Sums, epsilon: float) -> npt.NDArray[np.bool_]:
    """Return where the pooled sums take the crown under the domain's rule."""
    verdict = total.leading(epsilon)
    for path in np.flatnonzero(verdict):
        verdict[path] = beats(total.pooled(int(path)), epsilon) is None
    return verdict


def one_round_verdicts(sums: Sums, epsilon: float) -> dict[Rule, npt.NDArray[np.bool_]]:
    """Return where the rules without memory crown the challenger after one round."""
    leading = sums.leading(epsilon)
    mean = sums.gain / sums.num_samples
    variance = sums.squares / sums.num_samples - mean**2
    significant = mean * np.sqrt(sums.num_samples) > T_LEVEL_5 * np.sqrt(variance)
    return {Rule.PAIRWISE: leading, Rule.ONE_ROUND: leading & significant}


def false_crown(challenge: Challenge, *, paths: int, seed: int, progress: Progress) -> list[Figure]:
    """Measure how often a challenger that is not better takes the crown, early and ever."""
    outcome = run(challenge, paths=paths, seed=seed, progress=progress)
    horizons = sorted({min(20, challenge.rounds), challenge.rounds})
    figures = [
        rate(f"{rule}: crowned within {h} rounds", int(np.sum((when > 0) & (when <= h))), paths)
        for rule, when in outcome.crowned.items()
        for h in horizons
    ]
    # The guarantee itself, at levels that show without a million paths.
    for level in (10, 100, 1000, 10_000):
        reached = int(np.sum(outcome.peak_log_e >= np.log(level)))
        figures.append(
            rate(f"e-value ever reached {level} (at most {1 / level:g})", reached, paths)
        )
    reached = int(np.sum(outcome.peak_log_e >= LOG_LEVEL))
    figures.append(rate("e-value ever reached 1e6, margin left out", reached, paths))
    return figures


def power(
    challenge: Challenge,
    gains: Sequence[float],
    *,
    paths: int,
    seed: int,
    progress: Progress,
) -> list[Figure]:
    """Measure how many rounds a truly better challenger needs."""
    figures = []
    for i, gain in enumerate(gains):
        better = replace(challenge, gain=gain)
        outcome = run(better, paths=paths, seed=seed + i, progress=lambda _done, _total: None)
        when = outcome.crowned[Rule.POOLED]
        never = np.where(when == NEVER, np.inf, when)
        for percent in (50, 90):
            rounds = float(np.quantile(never, percent / 100, method="higher"))
            name = f"gain {gain:.1%}: rounds until crowned, {percent} % of paths"
            figures.append(Figure(name=name, value=rounds, trials=paths))
        progress(i + 1, len(gains))
    return figures
