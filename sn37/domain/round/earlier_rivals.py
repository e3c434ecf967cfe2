"""Earlier rivals: entries that a challenger follows, and those that it must wait for.

Anyone can commit copies of a contender that still collects evidence. With a little noise some copy
is ahead by luck, and would be crowned instead of the contender.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sn37.domain.round.comparing import Comparer, Contestant, Measured, Trio
from sn37.domain.round.evidence import LOG_EVEN_LEVEL, LOG_LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """The earliest rival that a challenger follows, with the comparisons that show it."""

    rival: Contestant
    own: Measured  # the rival compared with the champion
    shared: Trio | None  # all three on their common samples; None without any


def followed_by(
    champion: Contestant,
    challenger: Contestant,
    others: Sequence[Contestant],
    *,
    margin: float,
    comparer: Comparer,
) -> Follows | None:
    """Return the earliest rival that the challenger follows; ``None`` if it follows none.

    A challenger follows an entry before it in order if that entry leads the champion by ``margin``,
    and the challenger is not better than it by epsilon's end value. Both are measured on the
    samples that all three share. Without any, the rival's own lead decides. Neither the champion
    itself nor an entry with a loss that is not finite leads the champion.
    """
    epsilon_end = comparer.epsilon_end
    for rival in sorted(others, key=lambda c: c.precedence):
        if rival.precedence >= challenger.precedence:
            return None
        bounds = comparer.bounds(champion, rival, challenger)
        if bounds is not None and not bounds.may_follow(margin, epsilon_end):
            continue
        own = comparer.measure(champion, rival)
        shared = comparer.of_three(champion, rival, challenger)
        if own.sums.clears(margin) if shared is None else shared.follows(margin, epsilon_end):
            return Follows(rival=rival, own=own, shared=shared)
    return None


def waits_for(
    champion: Contestant,
    challenger: Contestant,
    others: Sequence[Contestant],
    *,
    margin: float,
    comparer: Comparer,
    is_current: bool = True,
) -> Contestant | None:
    """Return the earliest rival that the challenger follows and must wait for, if any.

    Such a rival has at least half of the logarithmic evidence that the crown needs, with all rows
    and with even signers. A rival with less leads by luck more often than not, and the challenger
    would wait for each lucky round of each earlier entry.

    The rival must also lead by ``margin`` with even signers, on its own samples or on the shared
    ones, because a lead by the rows of a few signers may never win the crown. Rounds of older
    versions, which are not ``is_current``, do not require this lead.
    """
    # Cheap conditions first, because each rival that is found costs an exact comparison.
    left = [
        rival
        for rival in others
        if rival.precedence < challenger.precedence
        and comparer.measure(champion, rival).even_log_e >= LOG_EVEN_LEVEL / 2
    ]
    while follows := followed_by(champion, challenger, left, margin=margin, comparer=comparer):
        shared = follows.shared
        log_e = max(follows.own.log_e, shared.log_e if shared else follows.own.log_e)
        is_even = not is_current or follows.own.clears_evenly(margin)
        is_even = is_even or (shared is not None and shared.clears_evenly(margin))
        if log_e >= LOG_LEVEL / 2 and is_even:
            return follows.rival
        left.remove(follows.rival)
    return None
