"""Who holds the crown of a competition after a round.

``KingOfTheHill`` is the rule of this subnet: the champion is remembered, and a challenger
takes its place only by a margin and with evidence pooled over rounds. docs/winner.md says
why and what it costs. ``sn37.domain.round.first_rule`` is what it was before, for rounds of older
versions; ``sn37.domain.round.pairwise`` has the rule of existing networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.round.comparing import Comparer, Contestant, Measured
from sn37.domain.round.evidence import (
    LOG_EVEN_LEVEL,
    LOG_LEVEL,
    LOG_PLAIN_LEVEL,
    Pooled,
    clipped_log_e_value,
    log_e_value,
)
from sn37.domain.round.origins import Origins
from sn37.domain.round.slots import contenders
from sn37.domain.round.waiting import waits_for
from sn37.domain.schedule.epsilon import Epsilon

# An entry that is crowned in the first judged rounds has beaten nobody but the first comer, and is
# protected by epsilon's end value only. 24 rounds are the window of the standings.
UNSHIELDED_ROUNDS = 24


class Hurdle(StrEnum):
    """Condition that kept a challenger from the crown: the first of these, in this order."""

    NON_FINITE = "non_finite"  # a loss was NaN or infinite
    UNPAIRED = "unpaired"  # no sample in common with the champion yet
    SUSPECT = "suspect"  # most samples are of signers on whose rows the two differ oddly
    MARGIN = "margin"  # its pooled loss is not lower by epsilon
    EVIDENCE = "evidence"  # lower by epsilon, but luck is not excluded yet
    SIGNERS = "signers"  # both, but by the rows of less than half of the signers
    UNREADABLE = "unreadable"  # proven, but its repository could not be read at the sync block
    WAITING = "waiting"  # an earlier contender that is as good comes first


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One challenge of a round, with how close it came."""

    challenger: EntryKey
    champion: EntryKey  # at that point of the fold
    num_samples: int  # that count
    ratio: float  # pooled loss of the challenger over the champion's; NaN if there is none
    log_e: float  # natural logarithm of the e-value, minus infinity when nothing is proven
    epsilon: float
    hurdle: Hurdle | None = None  # None: it took the crown
    waits_for: EntryKey | None = None
    # Of differences that were not clipped, which must reach a thousand.
    plain_log_e: float | None = None
    # With the loudest signers cut: the evidence, which must reach a thousand, and the ratio.
    even_log_e: float | None = None
    even_ratio: float = math.nan
    odd_signers: tuple[Hotkey, ...] = ()  # whose rows do not count between the two
    num_set_aside: int = 0  # such rows

    @property
    def taken(self) -> bool:
        """True if the challenger took the crown."""
        return self.hurdle is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The crown after a round, and every challenge in the order it was heard."""

    champion: EntryKey | None  # None: nobody could be crowned
    comparisons: tuple[Comparison, ...] = ()
    is_shielded: bool = False  # whether more than epsilon's end value protects the champion

    @property
    def beaten(self) -> tuple[EntryKey, ...]:
        """Champions that lost the crown by being beaten; they never return."""
        return tuple(c.champion for c in self.comparisons if c.taken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crown:
    """The crown before a round.

    ``holder`` is the champion, or the heir of a vacant crown. ``former`` is the last holder,
    by whom an heir is chosen should the holder not take part; by default the holder.
    """

    holder: EntryKey | None = None
    former: Contestant | None = None
    is_shielded: bool = False
    num_judged: int = 0  # rounds judged before
    # Whether it matters whose rows a margin and a lead rest on, and whose copy an heir is: not so
    # in rounds of older versions, whose plans do not count missed defences.
    is_current: bool = True


class WinnerRule(Protocol):
    """A deterministic function of stored losses; the order of contestants does not matter."""

    def decide(
        self,
        *,
        crown: Crown,
        contestants: Sequence[Contestant],
        at: Block,
        epsilon: Epsilon,
        origins: Origins,
    ) -> Decision:
        """Who holds the crown after the round of sync block ``at``.

        When the crown's holder is ``None``, or no contestant any more, or has a loss that is not
        finite, the crown is vacant and all are compared again.
        """
        ...


@dataclass(frozen=True, slots=True)
class KingOfTheHill:
    """Challengers in order of precedence; each that beats the champion replaces it at once.

    ``comparer`` makes what measures entries, of epsilon's end value and the samples' origins.
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
        king = next((c for c in present if c.key == crown.holder), None)
        is_shielded = crown.is_shielded and king is not None
        incumbent = king = king or _heir(crown, present, comparer)
        if king is None:
            return Decision(champion=None)
        comparisons = []
        for challenger in queue:
            if challenger is incumbent or not challenger.is_present:
                continue
            margin = epsilon.at(committed=king.key.block, now=at) if is_shielded else epsilon.end
            heard = _hear(
                king,
                challenger,
                finite,
                margin=margin,
                comparer=comparer,
                is_current=crown.is_current,
            )
            comparisons.append(heard)
            if heard.taken:
                king, is_shielded = challenger, crown.num_judged >= UNSHIELDED_ROUNDS
        return Decision(champion=king.key, comparisons=tuple(comparisons), is_shielded=is_shielded)


def beats(sums: Pooled, epsilon: float) -> Hurdle | None:
    """The hurdle that pooled sums do not take, or ``None``: the challenger beats the champion.

    Both are needed. The margin alone is crossed by luck, the evidence alone by a copy tuned
    by a hair. The margin is that of all losses as they are; clipped ones are evidence.
    """
    if not sums.num_samples:
        return Hurdle.UNPAIRED
    if not sums.clears(epsilon):
        return Hurdle.MARGIN
    if clipped_log_e_value(sums) < LOG_LEVEL or log_e_value(sums) < LOG_PLAIN_LEVEL:
        return Hurdle.EVIDENCE
    return None


def _heir(crown: Crown, present: Sequence[Contestant], comparer: Comparer) -> Contestant | None:
    """Who inherits a vacant crown: the first contender, else the first in order.

    Never an entry without evidence while one with evidence is there: a champion that is about to
    lose could hand its crown to a stranger otherwise (attack 54). Nor one whose repository cannot
    be read, which could not take the crown by beating somebody either. ``None``: none of them can.
    """
    heirs: tuple[Contestant, ...] = ()
    if crown.former is not None:
        heirs = contenders(crown.former, present, comparer, is_current=crown.is_current)
    return next((c for c in heirs or present if c.is_readable), None)


def _hear(
    king: Contestant,
    challenger: Contestant,
    others: Sequence[Contestant],
    *,
    margin: float,
    comparer: Comparer,
    is_current: bool,
) -> Comparison:
    found = comparer.measure(king, challenger)
    hurdle, rival = _hurdle(challenger, found, margin, is_current=is_current), None
    if hurdle is None:
        rival = waits_for(
            king, challenger, others, margin=margin, comparer=comparer, is_current=is_current
        )
        hurdle = Hurdle.WAITING if rival else None
    return Comparison(
        challenger=challenger.key,
        champion=king.key,
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
