"""Who is scored again in the next round: the few entries that may still take the crown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from sn37.domain.ids import EntryKey
from sn37.domain.round.comparing import (
    COPIED,
    EVEN_LEAD,
    STAYING_LEAD,
    Comparer,
    Contestant,
)
from sn37.domain.round.waiting import Follows, followed_by

MAX_CONTENDERS = 4  # kept from round to round besides the champion
MAX_FOLLOWERS = 1  # of them, places for entries that an earlier one is as good as


def ranked(
    former: Contestant,
    others: Iterable[Contestant],
    comparer: Comparer,
    *,
    is_current: bool = True,
) -> tuple[Contestant, ...]:
    """Entries that share samples with the champion there was last, the most promising first.

    By the lead beyond epsilon's end value in its own spread: noise widens the spread as much as
    the luck, so that variance buys no place. The earlier wins a tie. Those whose lead rests on
    a few signers come among those that are far behind. Those without a verdict, since most of
    their rows are suspect, are last: more rows may give one.
    """
    rows = []
    for other in others:
        if other.key != former.key and other.is_finite:
            found = comparer.measure(former, other)
            if found.sums.num_samples or found.is_suspect:
                rows.append(
                    (
                        is_current and found.even_lead < EVEN_LEAD,
                        -found.lead,
                        other.precedence,
                        other,
                    )
                )
    return tuple(other for *_, other in sorted(rows, key=lambda row: row[:3]))


def contenders(
    former: Contestant,
    others: Iterable[Contestant],
    comparer: Comparer,
    *,
    is_current: bool = True,
) -> tuple[Contestant, ...]:
    """The entries that stay, at most ``MAX_CONTENDERS``, the heir of a vacant crown first.

    An entry that would have to wait for an earlier one gives its place to that one: however many
    copies there are of it, and however lucky they are, the earlier one stays. One place is kept
    for the follower that is furthest ahead of the entry that it follows, which may be better.
    Nobody has a place whose forerunner has none, and the first follows nobody. Nobody follows an
    entry whose lead rests on a few signers.

    The heir is the first of them, or the hopeful earlier entry that this one is a copy of.

    Args:
        former: The last holder of the crown.
        others: Scored, not retired, eligible.
        is_current: Not so in rounds of older versions, in which it did not matter that a lead rests
            on a few signers, and the heir was the first by rank.
    """
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


def _heir(
    former: Contestant,
    first: Contestant,
    others: Iterable[Contestant],
    follows: Mapping[EntryKey, Follows | None],
    comparer: Comparer,
) -> Contestant:
    """Return the heir of a vacant crown: the first by rank, or its earliest original.

    While nobody leads by the margin nobody follows anybody, and the luckiest of many copies is the
    first by rank. So it gives way to the earliest hopeful entry that it is a copy of, and so on: an
    entry is hopeful that leads by epsilon's end value or is behind by luck alone.
    """
    hopeful = [e for e in others if comparer.measure(former, e).lead > STAYING_LEAD]
    by_precedence = sorted(hopeful, key=lambda e: e.precedence)

    def before(entry: Contestant) -> Contestant | None:
        if following := follows[entry.key]:
            return following.rival
        for earlier in by_precedence:
            if earlier.precedence >= entry.precedence:
                break
            if comparer.is_copy(former, earlier, entry):
                return earlier
        return None

    heir: Contestant = first
    while earlier := before(heir):
        heir = earlier
    return heir


def distinct_first(
    former: Contestant, others: Sequence[Contestant], comparer: Comparer
) -> tuple[Contestant, ...]:
    """Entries by how far each is ahead of the earlier one that it is least ahead of.

    A copy is surely not better by epsilon's end value than its original, however little noise it
    has, and is last: a crowd of copies takes no place from an original, of theirs or not. Leads are
    per sample, that is over the square root of their number: an old entry, whose leads are known
    better, would come after young copies otherwise. An entry that shares no sample with an earlier
    one comes after those that are known to differ, and before copies.

    Args:
        former: The last holder of the crown.
        others: By precedence.
    """

    def ahead(place: int, entry: Contestant) -> float:
        if not place:
            return math.inf
        ranges = [
            (found.lead[0] / root, found.lead[1] / root, earlier)
            for earlier in others[:place]
            if (found := comparer.bounds(former, earlier, entry))
            for root in (math.sqrt(found.num_samples),)
        ]
        least = min((high for _, high, _ in ranges), default=math.inf)
        shared = (
            comparer.of_three(former, earlier, entry) for low, _, earlier in ranges if low <= least
        )
        leads = (trio.lead / math.sqrt(trio.num_samples) for trio in shared if trio)
        return min(leads, default=-COPIED)

    order = {entry.key: ahead(place, entry) for place, entry in enumerate(others)}
    return tuple(sorted(others, key=lambda entry: (-order[entry.key], entry.precedence)))


def _forerunners(entry: Contestant, follows: Mapping[EntryKey, Follows | None]) -> list[Contestant]:
    """An entry, the one that it follows, whom that one follows, and so on: ever earlier ones."""
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
