"""Whom a challenger has to wait for: earlier entries that are as good.

Anybody can commit copies of a contender that still gathers evidence. With a little noise some copy
is ahead by luck, and would be crowned in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sn37.domain.round.comparing import Comparer, Contestant, Measured, Trio
from sn37.domain.round.evidence import LOG_EVEN_LEVEL, LOG_LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """An entry, and the earlier one that leads the champion and that it is not better than."""

    rival: Contestant
    own: Measured  # the rival against the champion
    shared: Trio | None  # the three on common samples, if there are any


def followed_by(
    champion: Contestant,
    challenger: Contestant,
    others: Sequence[Contestant],
    *,
    margin: float,
    comparer: Comparer,
) -> Follows | None:
    """The earliest entry that leads the champion by ``margin`` and that ``challenger`` is not
    better than by epsilon's end value.

    On the samples that all three share. Where there are none, the rival's own lead decides. Neither
    the champion itself nor an entry with a loss that is not finite leads the champion.
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
    """The earliest such entry that has itself come half of the way to the crown.

    Both ways: one that leads by the rows of a few signers might never be crowned. So it leads by
    ``margin`` with even signers as well, on its own samples or on the shared ones; in rounds of
    older versions, which are not ``is_current``, that was not asked.

    One with less evidence leads by luck more often than not: an entry that waited for it would wait
    for each lucky round of each earlier entry.
    """
    # The cheap conditions first: each rival that is found costs an exact comparison.
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
