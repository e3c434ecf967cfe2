"""Contention decided by the exact comparison of every pair, as a reference.

What ``sn37.domain.round`` decides with bounds first must be the same. This is its code from before
there were bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from sn37.domain.ids import EntryKey
from sn37.domain.round.comparing import COPIED, STAYING_LEAD, Comparer, Contestant
from sn37.domain.round.contender_places import MAX_CONTENDERS, MAX_FOLLOWERS, ranked
from sn37.domain.round.earlier_rivals import Follows
from sn37.domain.round.evidence import LOG_EVEN_LEVEL, LOG_LEVEL


def followed_by(
    champion: Contestant,
    challenger: Contestant,
    others: Sequence[Contestant],
    *,
    margin: float,
    comparer: Comparer,
) -> Follows | None:
    for rival in sorted(others, key=lambda c: c.precedence):
        if rival.precedence >= challenger.precedence:
            return None
        if rival.key == champion.key or not rival.is_finite:
            continue
        own = comparer.measure(champion, rival)
        shared = comparer.of_three(champion, rival, challenger)
        if shared is None:
            if own.sums.clears(margin):
                return Follows(rival=rival, own=own, shared=None)
        elif shared.rival < shared.champion * (1 - margin) and not (
            shared.challenger < shared.rival * (1 - comparer.epsilon_end)
        ):
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
    left = list(others)
    while follows := followed_by(champion, challenger, left, margin=margin, comparer=comparer):
        shared = follows.shared
        log_e = max(follows.own.log_e, shared.log_e if shared else follows.own.log_e)
        is_even = not is_current or follows.own.clears_evenly(margin)
        is_even = is_even or (shared is not None and shared.clears_evenly(margin))
        if log_e >= LOG_LEVEL / 2 and is_even and follows.own.even_log_e >= LOG_EVEN_LEVEL / 2:
            return follows.rival
        left.remove(follows.rival)
    return None


def contenders(
    former: Contestant,
    others: Iterable[Contestant],
    comparer: Comparer,
    *,
    is_current: bool = True,
) -> tuple[Contestant, ...]:
    order = ranked(former, others, comparer, is_current=is_current)
    even = [
        entry
        for entry in order
        if not (is_current and comparer.measure(former, entry).rests_on_few)
    ]
    follows = {
        entry.key: followed_by(former, entry, even, margin=comparer.epsilon_end, comparer=comparer)
        for entry in order
    }
    heads: dict[EntryKey, Contestant] = {}
    for entry in order:
        found = follows[entry.key]
        for head in reversed(_forerunners(found.rival if found else entry, follows)):
            heads.setdefault(head.key, head)
    placed = _placed(list(heads.values()), order, follows)
    if not (is_current and placed):
        return placed
    heir = _heir(former, placed[0], even, follows, comparer)
    return (heir, *(entry for entry in placed if entry.key != heir.key))[:MAX_CONTENDERS]


def distinct_first(
    former: Contestant, others: Sequence[Contestant], comparer: Comparer
) -> tuple[Contestant, ...]:
    def ahead(place: int, entry: Contestant) -> float:
        if not place:
            return math.inf
        shared = (comparer.of_three(former, earlier, entry) for earlier in others[:place])
        leads = (trio.lead / math.sqrt(trio.num_samples) for trio in shared if trio)
        return min(leads, default=-COPIED)

    order = {entry.key: ahead(place, entry) for place, entry in enumerate(others)}
    return tuple(sorted(others, key=lambda entry: (-order[entry.key], entry.precedence)))


def _heir(
    former: Contestant,
    first: Contestant,
    others: Iterable[Contestant],
    follows: Mapping[EntryKey, Follows | None],
    comparer: Comparer,
) -> Contestant:
    hopeful = [e for e in others if comparer.measure(former, e).lead > STAYING_LEAD]
    by_precedence = sorted(hopeful, key=lambda e: e.precedence)

    def before(entry: Contestant) -> Contestant | None:
        if following := follows[entry.key]:
            return following.rival
        for earlier in by_precedence:
            if earlier.precedence >= entry.precedence:
                break
            trio = comparer.of_three(former, earlier, entry)
            if trio is not None and trio.is_copy:
                return earlier
        return None

    heir: Contestant = first
    while earlier := before(heir):
        heir = earlier
    return heir


def _forerunners(entry: Contestant, follows: Mapping[EntryKey, Follows | None]) -> list[Contestant]:
    found = [entry]
    while following := follows[found[-1].key]:
        found.append(following.rival)
    return found


def _placed(
    heads: Sequence[Contestant],
    order: Sequence[Contestant],
    follows: Mapping[EntryKey, Follows | None],
) -> tuple[Contestant, ...]:
    placed = {head.key: head for head in heads[: MAX_CONTENDERS - MAX_FOLLOWERS]}

    def ahead(entry: Contestant) -> float:
        following = follows[entry.key]
        return following.shared.lead if following and following.shared else -math.inf

    waiting = [
        entry
        for entry in order
        if (following := follows[entry.key])
        and following.rival.key in placed
        and entry.key not in placed
    ]
    waiting.sort(key=lambda entry: (-ahead(entry), entry.precedence))
    num_kept = min(MAX_FOLLOWERS, len(waiting))
    for entry in (*heads[: MAX_CONTENDERS - num_kept], *waiting):
        placed.setdefault(entry.key, entry)
    return tuple(placed.values())[:MAX_CONTENDERS]
