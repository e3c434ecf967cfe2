"""Who holds the crown of a competition after a round.

``KingOfTheHill`` is the rule of this subnet: the champion is remembered, and a challenger
takes its place only by a margin and with evidence pooled over rounds. docs/winner.md says
why and what it costs. ``sn37.domain.pairwise`` has the rule of existing networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sn37.domain.epsilon import Epsilon
from sn37.domain.evidence import Evidence, Pooled, common, exact_sum, log_e_value, pooled
from sn37.domain.ids import Block, EntryKey

# An e-value of a million: a challenger that is no better takes the crown in at most one of a
# million challenges. The same for every challenge, because a level shared among challengers
# would let clones change the verdict on others.
LOG_LEVEL = math.log(1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """An eligible entry that is neither duplicate nor retired, with all its evidence.

    ``precedence`` is its commitment's; ``evidence`` spans every round in which it was scored.
    One that is not present could not be scored in this round, by our fault: it is not heard,
    but later ones still wait for it, by the samples that it has.
    """

    key: EntryKey
    precedence: tuple[int, int, str]
    evidence: Evidence
    is_present: bool = True

    @property
    def is_finite(self) -> bool:
        """Whether it may hold the crown or be compared: no evidence is NaN or infinite."""
        return all(math.isfinite(v) for values in self.evidence.values() for v in values)


class Hurdle(StrEnum):
    """What kept a challenger from the crown: the first of these, in this order."""

    NON_FINITE = "non_finite"  # a loss was NaN or infinite
    UNPAIRED = "unpaired"  # no sample in common with the champion yet
    MARGIN = "margin"  # its pooled loss is not lower by epsilon
    EVIDENCE = "evidence"  # lower by epsilon, but luck is not excluded yet
    WAITING = "waiting"  # an earlier contender that is as good comes first


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One challenge of a round, with how close it came."""

    challenger: EntryKey
    champion: EntryKey  # at that point of the fold
    num_samples: int
    ratio: float  # pooled loss of the challenger over the champion's; NaN if there is none
    log_e: float  # natural logarithm of the e-value, minus infinity when nothing is proven
    epsilon: float
    hurdle: Hurdle | None = None  # None: it took the crown
    waits_for: EntryKey | None = None

    @property
    def taken(self) -> bool:
        """Whether the challenger took the crown."""
        return self.hurdle is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The crown after a round, and every challenge in the order it was heard."""

    champion: EntryKey | None  # None: nobody could be crowned
    comparisons: tuple[Comparison, ...] = ()

    @property
    def beaten(self) -> tuple[EntryKey, ...]:
        """Champions that lost the crown by being beaten; they never return."""
        return tuple(c.champion for c in self.comparisons if c.taken)


class WinnerRule(Protocol):
    """A deterministic function of stored losses; the order of contestants does not matter."""

    def decide(
        self,
        *,
        champion: EntryKey | None,
        contestants: Sequence[Contestant],
        at: Block,
        epsilon: Epsilon,
    ) -> Decision:
        """Who holds the crown after the round of sync block ``at``.

        ``champion`` held it before. When it is ``None``, or no contestant any more, or has a
        loss that is not finite, the crown is vacant and all are heard anew.
        """
        ...


@dataclass(frozen=True, slots=True)
class KingOfTheHill:
    """Challengers in order of precedence; each that beats the champion replaces it at once."""

    def decide(
        self,
        *,
        champion: EntryKey | None,
        contestants: Sequence[Contestant],
        at: Block,
        epsilon: Epsilon,
    ) -> Decision:
        queue = sorted(contestants, key=lambda c: c.precedence)
        finite = [c for c in queue if c.is_finite]
        present = [c for c in finite if c.is_present]
        if not present:
            return Decision(champion=None)
        incumbent = king = next((c for c in present if c.key == champion), present[0])
        comparisons = []
        for challenger in queue:
            if challenger is incumbent or not challenger.is_present:
                continue
            earlier = [c for c in finite if c.precedence < challenger.precedence]
            heard = _hear(king, challenger, earlier, at=at, epsilon=epsilon)
            comparisons.append(heard)
            if heard.taken:
                king = challenger
        return Decision(champion=king.key, comparisons=tuple(comparisons))


def beats(sums: Pooled, epsilon: float) -> Hurdle | None:
    """The hurdle that pooled sums do not take, or ``None``: the challenger beats the champion.

    Both are needed. The margin alone is crossed by luck, the evidence alone by a copy tuned
    by a hair.
    """
    if not sums.num_samples:
        return Hurdle.UNPAIRED
    if not sums.clears(epsilon):
        return Hurdle.MARGIN
    if log_e_value(sums) < LOG_LEVEL:
        return Hurdle.EVIDENCE
    return None


def _hear(
    king: Contestant,
    challenger: Contestant,
    earlier: Sequence[Contestant],
    *,
    at: Block,
    epsilon: Epsilon,
) -> Comparison:
    margin = epsilon.at(committed=king.key.block, now=at)
    # Since the challenger's commitment: older samples may have been trained on.
    sums = pooled(king.evidence, challenger.evidence, since=challenger.key.block)
    hurdle = beats(sums, margin) if challenger.is_finite else Hurdle.NON_FINITE
    rival = None
    if hurdle is None:
        rival = _waits_for(king, challenger, earlier, margin=margin, end=epsilon.end)
        hurdle = Hurdle.WAITING if rival else None
    return Comparison(
        challenger=challenger.key,
        champion=king.key,
        num_samples=sums.num_samples,
        ratio=sums.ratio,
        log_e=log_e_value(sums),
        epsilon=margin,
        hurdle=hurdle,
        waits_for=rival,
    )


def _waits_for(
    king: Contestant,
    challenger: Contestant,
    earlier: Sequence[Contestant],
    *,
    margin: float,
    end: float,
) -> EntryKey | None:
    """The first earlier contender that leads the champion and is not clearly worse.

    Without it a copy of a contender that still gathers evidence could be crowned first.
    """
    for rival in earlier:
        if rival.key == king.key:
            continue
        kings, rivals, ours = _totals((king, rival, challenger), since=challenger.key.block)
        if rivals < kings * (1 - margin) and not ours < rivals * (1 - end):
            return rival.key
    return None


def _totals(contestants: Sequence[Contestant], *, since: Block) -> tuple[float, ...]:
    """Each contestant's pooled loss over the samples that all of them share."""
    shared = list(common([c.evidence for c in contestants], since=since))
    return tuple(
        exact_sum(v for values in shared for v in values[i]) for i in range(len(contestants))
    )
