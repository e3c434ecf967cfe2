"""Who is scored again in the next round: the few entries that may still take the crown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from sn37.domain.comparing import Comparer, Contestant
from sn37.domain.waiting import followed_by

MAX_CONTENDERS = 4  # kept from round to round besides the champion
MAX_FOLLOWERS = 1  # of them, places for entries that an earlier one is as good as


def ranked(
    former: Contestant, others: Iterable[Contestant], comparer: Comparer
) -> tuple[Contestant, ...]:
    """Entries that share samples with the champion there was last, the most promising first.

    By the lead beyond epsilon's end value in its own spread: noise widens the spread as much as
    the luck, so that variance buys no place. The earlier wins a tie.
    """
    found = [
        (comparer.measure(former, other).lead, other)
        for other in others
        if other.key != former.key and other.is_finite
    ]
    leading = [(-lead, other.precedence, other) for lead, other in found if lead > -math.inf]
    return tuple(other for _, _, other in sorted(leading, key=lambda row: row[:2]))


def contenders(
    former: Contestant, others: Iterable[Contestant], comparer: Comparer
) -> tuple[Contestant, ...]:
    """The entries that stay, at most ``MAX_CONTENDERS``; the heir of a vacant crown is the first.

    An entry that would have to wait for an earlier one gives its place to that one: however many
    copies there are of it, and however lucky they are, the earlier one stays. One place is kept
    for the follower that is furthest ahead of the entry that it follows, which may be better.

    Args:
        former: Whoever held the crown last.
        others: Scored, not retired, eligible.
    """
    order = ranked(former, others, comparer)
    heads: list[Contestant] = []
    followers: list[tuple[float, tuple[int, int, str], Contestant]] = []
    for entry in order:
        follows = followed_by(former, entry, order, margin=comparer.epsilon_end, comparer=comparer)
        head = follows.rival if follows else entry
        if all(head.key != other.key for other in heads):
            heads.append(head)
        if follows:
            ahead = follows.shared.lead if follows.shared else -math.inf
            followers.append((-ahead, entry.precedence, entry))
    return _placed(heads, [entry for _, _, entry in sorted(followers, key=lambda row: row[:2])])


def _placed(heads: Sequence[Contestant], followers: Sequence[Contestant]) -> tuple[Contestant, ...]:
    first = {entry.key for entry in heads[: MAX_CONTENDERS - MAX_FOLLOWERS]}
    num_kept = min(MAX_FOLLOWERS, sum(entry.key not in first for entry in followers))
    chosen = {entry.key: entry for entry in heads[: MAX_CONTENDERS - num_kept]}
    for entry in followers:
        chosen.setdefault(entry.key, entry)
    return tuple(chosen.values())[:MAX_CONTENDERS]
