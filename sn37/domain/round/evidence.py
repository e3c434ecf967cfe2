"""Scores and evidence, computed from losses.

The e-value is the wealth of a gambler who bets on each sample that the challenger is better,
with stakes mixed over a half-normal prior. If the differences are symmetric and the challenger
does not improve on the champion, the expected wealth does not grow. So it ever reaches 1/p with
probability at most p, however often it is checked (Ville's inequality; the mixture is Robbins',
1970, normed by the sum of squares as in de la Peña, 1999). An imaginary sample covers skewed
differences; docs/winner.md has measurements of its effect.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sn37.domain.data.batches import interleave
from sn37.domain.ids import Block
from sn37.domain.round.state import TaskScore
from sn37.domain.schedule.competition import Competition, Task
from sn37.domain.scoring.answer_signals import report_of
from sn37.domain.scoring.jobs import BlockLosses, as_float32

# Evidence values in the order of scoring, by the sync block of their round. An entry that was
# stopped early has values only for a prefix of the samples.
Evidence: TypeAlias = Mapping[Block, tuple[float, ...]]

# An e-value of a million: a challenger without a true gain takes the crown in at most one of a
# million challenges. The level is the same for every challenge, because with a level shared among
# challengers clones could change the verdict on others.
LOG_LEVEL = math.log(1e6)
# The evidence of unclipped differences must reach this level as well. Clipping helps a challenger
# that loses hugely on a few samples; one that does so on purpose cannot reach a thousand by luck.
LOG_PLAIN_LEVEL = math.log(1e3)
# So must the evidence with even signers, in which no signer's rows count for more than the median
# signer's, see ``even_signers``. Without it three colluding signers of nine, none odd enough to be
# detected, took the crown in one of thirteen challenges.
LOG_EVEN_LEVEL = math.log(1e3)

ALL_ROUNDS = Block(0)  # as "since": no round is too old
PRIOR_SAMPLES = 0.5  # width of the bet on a better challenger: mixes stakes of about 1 / mu
NEVER_PROVEN = -8.0  # below it erfc has too few digits, and no gain can be proven
NOT_PROVEN = -math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """Sums over every sample on which champion (a) and challenger (b) were both scored."""

    num_samples: int
    champion: float  # A, the sum of a
    challenger: float  # B, the sum of b
    gain: float  # the sum of a - b
    squares: float  # the sum of (a - b)^2
    clipped_gain: float  # the same two sums, each difference cut at one mean loss of its task
    clipped_squares: float

    @property
    def ratio(self) -> float:
        """B / A: below 1 the challenger is ahead. NaN without samples or with A = 0."""
        return self.challenger / self.champion if self.champion else math.nan

    def clears(self, epsilon: float) -> bool:
        """True if the challenger leads by more than the relative margin ``epsilon``."""
        return self.challenger < self.champion * (1 - epsilon)


def weigh(blocks: Sequence[BlockLosses], competition: Competition) -> tuple[float, ...]:
    """Return the evidence values of one entry's round, in the order of scoring.

    A value is the sample's loss (rounded to float32, as it was measured) on the linear scale
    of the score: the mean over a whole round is the sum over tasks of weight times mean loss
    over ``Task.unit``. Losses may be incomplete, but must be a prefix of the samples in the order
    of scoring.

    Raises:
        ValueError: A block is missing, repeated, or not one of the competition's.
    """
    order = interleave(tuple((t.name, t.num_samples) for t in competition.tasks))
    scored = {b.block: b.losses for b in blocks}
    if len(scored) != len(blocks) or set(scored) != set(order[: len(blocks)]):
        raise ValueError(f"competition {competition.id}: blocks are not a prefix of the round")
    total = sum(t.num_samples for t in competition.tasks)
    factors = {t.name: t.weight / (t.num_samples * t.unit) * total for t in competition.tasks}
    return tuple(
        loss * factors[block.task]
        for block in order[: len(blocks)]
        for loss in as_float32(scored[block])
    )


def is_finite(blocks: Iterable[BlockLosses]) -> bool:
    """True if all losses are finite, also after rounding to float32."""
    return all(math.isfinite(loss) for b in blocks for loss in as_float32(b.losses))


def task_scores(
    blocks: Sequence[BlockLosses], competition: Competition, *, on_curve: bool = False
) -> tuple[TaskScore, ...]:
    """Return the score of each task, without tasks that have no scored sample.

    This score decides and is linear in the losses. ``on_curve`` applies the normalisations to
    task means instead, as rounds of the first rule did. NaN and infinities stay unchanged.
    """
    scored: dict[str, list[BlockLosses]] = {}
    for block in blocks:
        scored.setdefault(block.block.task, []).append(block)
    return tuple(
        _task_score(t, scored[t.name], on_curve) for t in competition.tasks if t.name in scored
    )


def total_score(scores: Iterable[TaskScore]) -> float:
    """Return the sum of the weighted task scores. Lower is better."""
    return exact_sum(s.weighted for s in scores)


def pooled(champion: Evidence, challenger: Evidence, *, since: Block = ALL_ROUNDS) -> Pooled:
    """Return sums over the common samples of all rounds at sync block ``since`` or later.

    All samples count as samples of one task. Linear in their number: 0.5 ms for 1,000.
    """
    a: list[float] = []
    b: list[float] = []
    for ours, theirs in common((champion, challenger), since=since):
        a += ours
        b += theirs
    return sums_of(a, b)


def sums_of(
    champion: Sequence[float], challenger: Sequence[float], tasks: Sequence[str] | None = None
) -> Pooled:
    """Return sums over the given samples; ``tasks`` names their tasks, ``None`` is one task."""
    gains = [a - b for a, b in zip(champion, challenger, strict=True)]
    cut = clipped(champion, gains, tasks)
    return Pooled(
        num_samples=len(gains),
        champion=exact_sum(champion),
        challenger=exact_sum(challenger),
        gain=exact_sum(gains),
        squares=exact_sum(d * d for d in gains),
        clipped_gain=exact_sum(cut),
        clipped_squares=exact_sum(d * d for d in cut),
    )


def clipped(
    champion: Sequence[float], gains: Sequence[float], tasks: Sequence[str] | None = None
) -> list[float]:
    """Return differences, cut at one mean loss of the champion in their task, in both directions.

    Otherwise a few rows on which two models differ very much would hide a true gain, and every
    signer can write such rows (attack 57). A NaN stays a NaN.
    """
    if tasks is None:
        return _cut(gains, _mean(champion))
    values: dict[str, list[float]] = {}
    for task, a in zip(tasks, champion, strict=True):
        values.setdefault(task, []).append(a)
    most = {task: _mean(of_task) for task, of_task in values.items()}
    if len(most) < 2:
        return _cut(gains, max(most.values(), default=0.0))
    return [_cut([d], most[task])[0] for task, d in zip(tasks, gains, strict=True)]


def _mean(values: Sequence[float]) -> float:
    return max(exact_sum(values) / len(values), 0.0) if values else 0.0


def _cut(gains: Sequence[float], most: float) -> list[float]:
    return [most if d > most else -most if d < -most else d for d in gains]


def common(entries: Sequence[Evidence], *, since: Block) -> Iterable[tuple[tuple[float, ...], ...]]:
    """Yield the evidence of several entries on their common samples, round by round."""
    for _, values in common_rounds(entries, since=since):
        yield values


def common_rounds(
    entries: Sequence[Evidence], *, since: Block
) -> Iterable[tuple[Block, tuple[tuple[float, ...], ...]]]:
    """Yield the same as ``common``, with the sync block of each round."""
    for sync in sorted(set.intersection(*(set(e) for e in entries))):
        if sync >= since:
            stop = min(len(e[sync]) for e in entries)
            yield sync, tuple(e[sync][:stop] for e in entries)


def log_e_value(sums: Pooled) -> float:
    """Return the natural logarithm of the evidence that the challenger is better at all.

    It includes one imaginary sample that the challenger loses by the mean loss. Without it
    skewed differences reach the level twenty times as often as allowed.
    """
    return _log_e(sums, sums.gain, sums.squares)


def clipped_log_e_value(sums: Pooled) -> float:
    """Return the same for clipped differences, on which a few samples have little effect."""
    return _log_e(sums, sums.clipped_gain, sums.clipped_squares)


def log_e_of(sums: Pooled, gains: Sequence[float]) -> float:
    """Return the same for differences that the caller computed, on the samples of ``sums``."""
    return _log_e(sums, exact_sum(gains), exact_sum(d * d for d in gains))


def _log_e(sums: Pooled, gain: float, squares: float) -> float:
    if not sums.num_samples:
        return NOT_PROVEN
    mean = sums.champion / sums.num_samples
    if not mean > 0:
        return NOT_PROVEN  # no loss is relatively better than zero
    square = mean * mean
    return log_mixture(gain - mean, squares + square, PRIOR_SAMPLES * square)


def log_mixture(excess: float, squares: float, prior: float) -> float:
    """Return the log of the one-sided normal-mixture betting process.

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
    """Return the correctly rounded sum in any order; NaN if it is not finite."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # beyond float64, or inf - inf
        return math.nan


def _task_score(task: Task, blocks: Sequence[BlockLosses], on_curve: bool) -> TaskScore:
    losses = [loss for b in blocks for loss in as_float32(b.losses)]
    right = [b.num_right for b in blocks if b.num_right is not None]
    answers = [(b.answers, b.tokens) for b in blocks if b.answers is not None]
    raw = exact_sum(losses) / len(losses)
    normalized = raw / task.unit
    if on_curve:
        # A ceiling would turn an infinite loss into a respectable score.
        normalized = task.normalization.apply(raw) if math.isfinite(raw) else raw
    return TaskScore(
        task=task.name,
        raw=raw,
        normalized=normalized,
        weighted=normalized * task.weight,
        accuracy=sum(right) / len(losses) if right else None,
        answers=report_of(answers) if answers else None,
    )
