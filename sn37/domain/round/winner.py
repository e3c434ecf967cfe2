"""Winner rule: which entry holds the crown of a competition after a round.

``KingOfTheHill`` is the rule of this subnet: the champion is remembered, and a challenger
takes its place only by a margin and with evidence pooled over rounds. docs/winner.md has the
reasons and the costs. ``sn37.domain.round.first_rule`` is the rule before revision 2, for rounds of
older versions; ``sn37.domain.round.pairwise`` is the rule of existing networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.round.comparing import Comparer, Contestant, Measured
from sn37.domain.round.contender_places import contenders
from sn37.domain.round.earlier_rivals import waits_for
from sn37.domain.round.evidence import (
    LOG_EVEN_LEVEL,
    LOG_LEVEL,
    LOG_PLAIN_LEVEL,
    Pooled,
    clipped_log_e_value,
    log_e_value,
)
from sn37.domain.round.signers import Origins
from sn37.domain.schedule.epsilon import Epsilon

# An entry that is crowned in these first judged rounds has beaten only the first comer, so only
# epsilon's end value protects it. 24 rounds are the window of the standings.
UNSHIELDED_ROUNDS = 24


class Hurdle(StrEnum):
    """First condition, in this order, that a challenger did not meet."""

    NON_FINITE = "non_finite"  # a loss was NaN or infinite
    UNPAIRED = "unpaired"  # no sample in common with the champion yet
    SUSPECT = "suspect"  # most rows, or most signers, are odd between the two
    MARGIN = "margin"  # its pooled loss is not lower by epsilon
    EVIDENCE = "evidence"  # lower by epsilon, but luck is not excluded yet
    SIGNERS = "signers"  # both, but only by the rows of fewer than half of the signers
    UNREADABLE = "unreadable"  # proven, but its repository could not be read at the sync block
    WAITING = "waiting"  # an earlier contender that is as good comes first


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One challenge of a round, and how close it came to the crown."""

    challenger: EntryKey
    champion: EntryKey  # when this challenger was compared
    num_samples: int  # samples that count
    ratio: float  # pooled loss of the challenger over the champion's; NaN if there is none
    log_e: float  # natural logarithm of the e-value, minus infinity when nothing is proven
    epsilon: float
    hurdle: Hurdle | None = None  # None: it took the crown
    waits_for: EntryKey | None = None
    # Evidence of unclipped differences; its e-value must reach a thousand.
    plain_log_e: float | None = None
    # With even signers: the evidence, whose e-value must reach a thousand, and the ratio.
    even_log_e: float | None = None
    even_ratio: float = math.nan
    odd_signers: tuple[Hotkey, ...] = ()  # their rows do not count between the two
    num_set_aside: int = 0  # number of these rows

    @property
    def taken(self) -> bool:
        """True if the challenger took the crown."""
        return self.hurdle is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The crown after a round, and all its challenges in order of precedence."""

    champion: EntryKey | None  # None: no entry could be crowned
    comparisons: tuple[Comparison, ...] = ()
    is_shielded: bool = False  # more than epsilon's end value protects the champion

    @property
    def beaten(self) -> tuple[EntryKey, ...]:
        """Champions that lost the crown by being beaten; they never return."""
        return tuple(c.champion for c in self.comparisons if c.taken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crown:
    """The crown before a round.

    ``holder`` is the champion, or the heir of a vacant crown. ``former`` is the last entry that
    held the crown. If ``holder`` does not take part, an heir is chosen by comparison with
    ``former``.
    """

    holder: EntryKey | None = None
    former: Contestant | None = None
    is_shielded: bool = False
    num_judged: int = 0  # rounds judged before
    # False for rounds of older versions, whose plans do not count missed defences. In these a
    # margin or a lead may rest on a few signers, and an heir may be a copy.
    is_current: bool = True


class WinnerRule(Protocol):
    """Deterministic function of stored losses. The order of contestants does not matter."""

    def decide(
        self,
        *,
        crown: Crown,
        contestants: Sequence[Contestant],
        at: Block,
        epsilon: Epsilon,
        origins: Origins,
    ) -> Decision:
        """Return the crown after the round of sync block ``at``.

        The crown is vacant if its holder is ``None``, is not a contestant, or has a loss that is
        not finite. Then all contestants are compared again.
        """
        ...


@dataclass(frozen=True, slots=True)
class KingOfTheHill:
    """Rule: in order of precedence, each challenger that beats the champion replaces it at once.

    ``comparer`` makes the object that compares entries, from epsilon's end value and the samples'
    origins.
    """

    comparer: Callable[[float, Origins], Comparer] = Comparer

    def decide(
        self,
        *,
        crown: Crown,
        contestants: Sequence[Contestant],
        at: Block,
        epsilon: Epsilon,
        origins: Origins,
    ) -> Decision:
        queue = sorted(contestants, key=lambda c: c.precedence)
        finite = [c for c in queue if c.is_finite]
        present = [c for c in finite if c.is_present]
        if not present:
            return Decision(champion=None)
        comparer = self.comparer(epsilon.end, origins)
        champion = next((c for c in present if c.key == crown.holder), None)
        is_shielded = crown.is_shielded and champion is not None
        incumbent = champion = champion or _heir(crown, present, comparer)
        if champion is None:
            return Decision(champion=None)
        comparisons = []
        for challenger in queue:
            if challenger is incumbent or not challenger.is_present:
                continue
            margin = epsilon.end
            if is_shielded:
                margin = epsilon.at(committed=champion.key.block, now=at)
            comparison = _compare(
                champion,
                challenger,
                finite,
                margin=margin,
                comparer=comparer,
                is_current=crown.is_current,
            )
            comparisons.append(comparison)
            if comparison.taken:
                champion, is_shielded = challenger, crown.num_judged >= UNSHIELDED_ROUNDS
        return Decision(
            champion=champion.key, comparisons=tuple(comparisons), is_shielded=is_shielded
        )


def beats(sums: Pooled, epsilon: float) -> Hurdle | None:
    """Return the condition that pooled sums do not meet; ``None`` if the challenger is better.

    Margin and evidence are both needed: luck alone crosses the margin, and a slightly tuned copy
    reaches the evidence alone. The margin is measured on losses as they are, the evidence on
    clipped differences.
    """
    if not sums.num_samples:
        return Hurdle.UNPAIRED
    if not sums.clears(epsilon):
        return Hurdle.MARGIN
    if clipped_log_e_value(sums) < LOG_LEVEL or log_e_value(sums) < LOG_PLAIN_LEVEL:
        return Hurdle.EVIDENCE
    return None


def _heir(crown: Crown, present: Sequence[Contestant], comparer: Comparer) -> Contestant | None:
    """Return the heir of a vacant crown: the first contender, else the first entry in order.

    An entry without evidence does not inherit while there is one with evidence. Otherwise a
    champion that is about to lose could hand its crown to a stranger (attack 54). An entry whose
    repository cannot be read does not inherit, because it could not take the crown by beating a
    champion either. ``None`` if no repository can be read.
    """
    heirs: tuple[Contestant, ...] = ()
    if crown.former is not None:
        heirs = contenders(crown.former, present, comparer, is_current=crown.is_current)
    return next((c for c in heirs or present if c.is_readable), None)


def _compare(
    champion: Contestant,
    challenger: Contestant,
    others: Sequence[Contestant],
    *,
    margin: float,
    comparer: Comparer,
    is_current: bool,
) -> Comparison:
    found = comparer.measure(champion, challenger)
    hurdle, rival = _hurdle(challenger, found, margin, is_current=is_current), None
    if hurdle is None:
        rival = waits_for(
            champion, challenger, others, margin=margin, comparer=comparer, is_current=is_current
        )
        hurdle = Hurdle.WAITING if rival else None
    return Comparison(
        challenger=challenger.key,
        champion=champion.key,
        num_samples=found.sums.num_samples,
        ratio=found.sums.ratio,
        log_e=found.log_e,
        epsilon=margin,
        hurdle=hurdle,
        waits_for=rival.key if rival else None,
        plain_log_e=found.plain_log_e,
        even_log_e=found.even_log_e,
        even_ratio=found.even_ratio,
        odd_signers=tuple(sorted({o.signer for o in found.odd if o.signer is not None})),
        num_set_aside=found.num_set_aside,
    )


def _hurdle(
    challenger: Contestant, found: Measured, margin: float, *, is_current: bool
) -> Hurdle | None:
    if not challenger.is_finite:
        return Hurdle.NON_FINITE
    if found.is_suspect:
        return Hurdle.SUSPECT
    hurdle = beats(found.sums, margin)
    if hurdle is None and (
        found.even_log_e < LOG_EVEN_LEVEL or (is_current and not found.clears_evenly(margin))
    ):
        return Hurdle.SIGNERS
    return Hurdle.UNREADABLE if hurdle is None and not challenger.is_readable else hurdle
