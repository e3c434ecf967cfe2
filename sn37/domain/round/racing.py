"""Stopping challengers that can no longer win.

Racing may only save samples, never change a winner: its evidence is an e-value too, for the
opposite claim that the challenger is not better than the champion by the smallest margin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sn37.domain.ids import Block
from sn37.domain.round.comparing import NO_ORIGINS, counted
from sn37.domain.round.evidence import ALL_ROUNDS, Evidence, exact_sum, log_mixture
from sn37.domain.round.origins import Origins

MIN_SAMPLES = 32  # seen before anyone is stopped
LOG_RETIRE_LEVEL = math.log(1000)  # a model worth the margin is retired once in a thousand
# The same with no signer's rows speaking louder than the median signer's (``evenness``). In a first
# round signers have too few rows to be found odd: a champion that knew the rows of two of nine
# had every second honest entry retired after some 64 samples.
LOG_EVEN_RETIRE_LEVEL = math.log(10)
RETIRE_PRIOR_SAMPLES = 0.05  # tuned to small deficits: sooner sure of models that are equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """One challenger against the champion, extended block by block.

    Sums are exact expansions: floats whose exact sum is the exact sum of all terms. So the
    verdict is the same bit for bit however the samples arrive, also after a restart.
    Extending costs microseconds, whatever was pooled before.
    """

    margin: float  # epsilon's end value: the least by which anyone ever wins
    num_samples: int = 0
    champion: tuple[float, ...] = ()  # the sum of a
    deficit: tuple[float, ...] = ()  # the sum of b - a (1 - margin)
    squares: tuple[float, ...] = ()  # the sum of the same terms' squares

    def extended(self, champion: Sequence[float], challenger: Sequence[float]) -> Race:
        """The race after more samples, evidence values of both in the same order.

        Raises:
            ValueError: Not the same number of each.
        """
        keep = 1 - self.margin
        terms = [b - a * keep for a, b in zip(champion, challenger, strict=True)]
        return Race(
            margin=self.margin,
            num_samples=self.num_samples + len(terms),
            champion=_expansion((*self.champion, *champion)),
            deficit=_expansion((*self.deficit, *terms)),
            squares=_expansion((*self.squares, *(t * t for t in terms))),
        )

    @property
    def is_hopeless(self) -> bool:
        """True if the challenger is to be stopped and retired; never for non-finite losses."""
        deficit = math.fsum(self.deficit)
        if self.num_samples < MIN_SAMPLES or not deficit > 0:
            return False
        mean = math.fsum(self.champion) / self.num_samples
        prior = RETIRE_PRIOR_SAMPLES * mean * mean
        return log_mixture(deficit, math.fsum(self.squares), prior) >= LOG_RETIRE_LEVEL


def race(
    champion: Evidence,
    challenger: Evidence,
    *,
    epsilon_end: float,
    since: Block = ALL_ROUNDS,
    origins: Origins = NO_ORIGINS,
) -> Race:
    """The race so far, over the samples since ``since`` on which both were scored.

    Rows of signers that are odd between the two do not count; with most rows odd there is nothing
    to race on.
    """
    result = Race(margin=epsilon_end)
    found = counted(champion, challenger, since=since, epsilon_end=epsilon_end, origins=origins)
    return result if found.is_suspect else result.extended(found.a, found.b)


def is_hopeless(
    champion: Evidence,
    challenger: Evidence,
    *,
    epsilon_end: float,
    since: Block = ALL_ROUNDS,
    origins: Origins = NO_ORIGINS,
) -> bool:
    """True if pooled evidence shows that the challenger will not win; see ``Race``.

    Also without what the signers that speak loudest against it have beyond the median signer.
    """
    found = counted(champion, challenger, since=since, epsilon_end=epsilon_end, origins=origins)
    ours = found.a
    if found.is_suspect or not Race(margin=epsilon_end).extended(ours, found.b).is_hopeless:
        return False
    keep, mean = 1 - epsilon_end, exact_sum(ours) / len(ours)
    terms = found.evened([b - a * keep for a, b in zip(found.all_a, found.all_b, strict=True)])
    squares, prior = exact_sum(t * t for t in terms), RETIRE_PRIOR_SAMPLES * mean * mean
    return log_mixture(exact_sum(terms), squares, prior) >= LOG_EVEN_RETIRE_LEVEL


def _expansion(terms: Sequence[float]) -> tuple[float, ...]:
    """Floats of shrinking size with exactly the sum of ``terms``; NaN for what has no sum."""
    if not all(math.isfinite(t) for t in terms):
        return (math.nan,)
    parts: list[float] = []
    while rest := math.fsum((*terms, *(-p for p in parts))):
        parts.append(rest)
    return tuple(parts)
