"""From losses to evidence: what a score is, and how strongly samples speak for a challenger.

The e-value is the wealth of a gambler who bets, sample after sample, that the challenger is
better, with stakes mixed over a half-normal prior. Against symmetric differences that wealth
is not expected to grow when the challenger is no better, so it ever reaches 1/p with
probability at most p, however often it is looked at (Ville's inequality; the mixture is
Robbins', 1970, normed by the sum of squares as in de la Peña, 1999). An imaginary sample
covers differences that are skewed; docs/winner.md has measured how far it goes.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sn37.domain.competition import Competition, Task
from sn37.domain.ids import Block
from sn37.domain.scoring import BlockLosses, interleave
from sn37.domain.state import TaskScore

# Evidence values in the order of scoring, by the sync block of their round. Those of an entry
# that was stopped early are a prefix of everyone else's.
Evidence: TypeAlias = Mapping[Block, tuple[float, ...]]

ALL_ROUNDS = Block(0)  # as "since": nothing is too old
PRIOR_SAMPLES = 0.5  # width of the bet on a better challenger: mixes stakes of about 1 / mu
NEVER_PROVEN = -8.0  # below it erfc has too few digits left, and nothing is to be proven
NOT_PROVEN = -math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """Sums over every sample on which champion (a) and challenger (b) were both scored."""

    num_samples: int
    champion: float  # A, the sum of a
    challenger: float  # B, the sum of b
    gain: float  # the sum of a - b
    squares: float  # the sum of (a - b)^2

    @property
    def ratio(self) -> float:
        """B / A: below 1 the challenger is ahead. NaN without samples or with A = 0."""
        return self.challenger / self.champion if self.champion else math.nan

    def clears(self, epsilon: float) -> bool:
        """Whether the challenger leads by more than the relative margin ``epsilon``."""
        return self.challenger < self.champion * (1 - epsilon)


def weigh(blocks: Sequence[BlockLosses], competition: Competition) -> tuple[float, ...]:
    """Evidence values of one entry's round, in the order of scoring.

    A value is the sample's loss (rounded to float32, as it was measured) on the linear scale
    of the score: the mean over a whole round is the sum over tasks of weight times mean loss
    over ``normalization.scale``. Losses may be incomplete but not patchy: a prefix of the
    order in which samples are scored.

    Raises:
        ValueError: A block is missing, repeated, or not one of the competition's.
    """
    order = interleave(tuple((t.name, t.num_samples) for t in competition.tasks))
    scored = {b.block: b.losses for b in blocks}
    if len(scored) != len(blocks) or set(scored) != set(order[: len(blocks)]):
        raise ValueError(f"competition {competition.id}: blocks are no prefix of the round")
    total = sum(t.num_samples for t in competition.tasks)
    factors = {
        t.name: t.weight / (t.num_samples * t.normalization.scale) * total
        for t in competition.tasks
    }
    return tuple(
        loss * factors[block.task]
        for block in order[: len(blocks)]
        for loss in as_float32(scored[block])
    )


def is_finite(blocks: Iterable[BlockLosses]) -> bool:
    """Whether no loss is NaN or infinite, also after rounding to float32."""
    return all(math.isfinite(loss) for b in blocks for loss in as_float32(b.losses))


def task_scores(blocks: Sequence[BlockLosses], competition: Competition) -> tuple[TaskScore, ...]:
    """The score that is shown, task by task; tasks without a scored sample are left out.

    NaN and infinities stay what they are, also under a normalisation with a ceiling.
    """
    losses: dict[str, list[float]] = {}
    for b in blocks:
        losses.setdefault(b.block.task, []).extend(as_float32(b.losses))
    return tuple(_task_score(t, losses[t.name]) for t in competition.tasks if t.name in losses)


def total_score(scores: Iterable[TaskScore]) -> float:
    """The sum of the weighted task scores. Lower is better."""
    return exact_sum(s.weighted for s in scores)


def pooled(champion: Evidence, challenger: Evidence, *, since: Block = ALL_ROUNDS) -> Pooled:
    """Sums over the common samples of all rounds whose sync block is ``since`` or later.

    Linear in the number of samples: 0.3 ms for 1,000.
    """
    a: list[float] = []
    b: list[float] = []
    for ours, theirs in common((champion, challenger), since=since):
        a += ours
        b += theirs
    gains = [x - y for x, y in zip(a, b, strict=True)]
    return Pooled(
        num_samples=len(gains),
        champion=exact_sum(a),
        challenger=exact_sum(b),
        gain=exact_sum(gains),
        squares=exact_sum(d * d for d in gains),
    )


def common(entries: Sequence[Evidence], *, since: Block) -> Iterable[tuple[tuple[float, ...], ...]]:
    """The evidence of several entries cut to what they share, round by round."""
    for sync in sorted(set.intersection(*(set(e) for e in entries))):
        if sync >= since:
            stop = min(len(e[sync]) for e in entries)
            yield tuple(e[sync][:stop] for e in entries)


def log_e_value(sums: Pooled) -> float:
    """Natural logarithm of the evidence that the challenger is better at all.

    One imaginary sample that the challenger loses by the mean loss is part of it: without it
    skewed differences reach the level twenty times as often as they may.
    """
    if not sums.num_samples:
        return NOT_PROVEN
    mean = sums.champion / sums.num_samples
    if not mean > 0:
        return NOT_PROVEN  # nothing is relatively better than a loss of zero
    square = mean * mean
    return log_mixture(sums.gain - mean, sums.squares + square, PRIOR_SAMPLES * square)


def log_mixture(excess: float, squares: float, prior: float) -> float:
    """Log of the one-sided normal-mixture betting process.

    ``excess`` is the sum of the differences, ``squares`` that of their squares, ``prior`` the
    width of the mixture in the same unit as ``squares``.
    """
    width = squares + prior
    if not (math.isfinite(excess) and prior > 0 and math.isfinite(width)):
        return NOT_PROVEN
    x = excess / math.sqrt(width)
    if x < NEVER_PROVEN:
        return NOT_PROVEN
    return (
        0.5 * (math.log(prior) - math.log(width))
        + x * x / 2
        + math.log(math.erfc(-x / math.sqrt(2)))
    )


def exact_sum(values: Iterable[float]) -> float:
    """Correctly rounded sum, whatever the order; NaN when it is no finite number's sum."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # beyond float64, or inf - inf
        return math.nan


def as_float32(losses: Iterable[float]) -> Sequence[float]:
    """Losses as float32 holds them: what every validator measures, stores and compares."""
    return array("f", losses)


def _task_score(task: Task, losses: Sequence[float]) -> TaskScore:
    raw = exact_sum(losses) / len(losses)
    # A ceiling would turn an infinite loss into a respectable score.
    normalized = task.normalization.apply(raw) if math.isfinite(raw) else raw
    return TaskScore(
        task=task.name, raw=raw, normalized=normalized, weighted=normalized * task.weight
    )
