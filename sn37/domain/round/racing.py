"""Racing: challengers that can no longer win are stopped early.

Racing may only save samples, never change a winner. Its evidence is an e-value too, for the
opposite claim: the challenger is not better than the champion by the smallest margin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sn37.domain.ids import Block
from sn37.domain.round.comparing import NO_ORIGINS, counted
from sn37.domain.round.evidence import ALL_ROUNDS, Evidence, exact_sum, log_mixture
from sn37.domain.round.signers import Origins

MIN_SAMPLES = 32  # scored before an entry is stopped
LOG_RETIRE_LEVEL = math.log(1000)  # a model worth the margin is retired once in a thousand
# The same with even signers (``even_signers``). In a first round signers have too few rows to be
# found odd: without this level, a champion that knew the rows of two signers of nine had every
# second honest entry retired after some 64 samples.
LOG_EVEN_RETIRE_LEVEL = math.log(10)
RETIRE_PRIOR_SAMPLES = 0.05  # tuned to small deficits: equal models are stopped sooner


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """One challenger raced against the champion, extended block by block.

    Sums are exact expansions: floats whose exact sum is the exact sum of all terms. So the verdict
    is the same bit for bit however the samples arrive, also after a restart. Extending takes
    microseconds, however many samples were added before.
    """

    margin: float  # epsilon's end value: the smallest margin by which an entry ever wins
    num_samples: int = 0
    champion: tuple[float, ...] = ()  # the sum of a
    deficit: tuple[float, ...] = ()  # the sum of b - a (1 - margin)
    squares: tuple[float, ...] = ()  # the sum of the same terms' squares

    def extended(self, champion: Sequence[float], challenger: Sequence[float]) -> Race:
        """Return the race after more samples, given both entries' values in the same order.

        Raises:
            ValueError: The two have different numbers of values.
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
    """Return the race so far, over the samples since ``since`` on which both were scored.

    Rows of signers that are odd between the two do not count. If most rows are odd, none counts.
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

    The evidence must also suffice with even signers, where no signer's rows are worse for the
    challenger than those of the median signer.
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
    """Return floats of shrinking size with exactly the sum of ``terms``; NaN if not finite."""
    if not all(math.isfinite(t) for t in terms):
        return (math.nan,)
    parts: list[float] = []
    while rest := math.fsum((*terms, *(-p for p in parts))):
        parts.append(rest)
    return tuple(parts)
