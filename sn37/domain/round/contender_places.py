"""Places of contenders: the few entries that the next round scores again, and the heir."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from sn37.domain.ids import Block, EntryKey
from sn37.domain.round.comparing import (
    COPIED,
    EVEN_LEAD,
    STAYING_LEAD,
    Comparer,
    Contestant,
)
from sn37.domain.round.earlier_rivals import Follows, followed_by

MAX_CONTENDERS = 4  # kept from round to round besides the champion
MAX_FOLLOWERS = 1  # places among them that are kept for entries that follow an earlier one


def ranked(
    former: Contestant,
    others: Iterable[Contestant],
    comparer: Comparer,
    *,
    is_current: bool = True,
) -> tuple[Contestant, ...]:
    """Return the entries that share samples with the last champion, the most promising first.

    The rank is the lead beyond epsilon's end value in units of its own spread: noise widens the
    spread as much as the luck, so that variance buys no place. The earlier entry wins a tie.
    Entries that are far behind with even signers come after the others, because their lead rests
    on a few signers. Suspect entries, which have no verdict, come last: more rows may give one.
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
    """Return the entries that stay, at most ``MAX_CONTENDERS``, the heir of a vacant crown first.

    An entry that follows an earlier one gives its place to that one. So the earlier entry stays,
    however many copies of it there are and however lucky they are. One place is kept for the
    follower that is furthest ahead of the entry that it follows, because it may be better. An
    entry has no place if the one that it follows has none. No entry follows one whose lead rests
    on a few signers.

    The heir is the first of them, or the hopeful earlier entry that the first is a copy of.

    Args:
        former: The last holder of the crown.
        others: Scored, not retired, eligible.
        is_current: False in rounds of older versions, in which a lead may rest on a few signers,
            and the heir is the first by rank.
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

    While no entry leads by the margin, no entry follows another, and the luckiest of many copies is
    the first by rank. So it gives way to the earliest hopeful entry that it is a copy of, and that
    one may give way in turn. An entry is hopeful if it leads by epsilon's end value or is behind by
    luck alone.
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
    """Return the entries by their smallest lead over an earlier one, the largest first.

    A copy is surely not better by epsilon's end value than its original, however little noise it
    has, so it comes last: a crowd of copies takes no place from any original. Leads are per sample,
    which means divided by the square root of the number of samples. Otherwise an old entry, whose
    leads are known better, would come after young copies. An entry that shares no sample with any
    earlier one comes after those that are known to differ, and before copies.

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
        close = [earlier for low, _, earlier in ranges if low <= least]
        syncs = [sync for sync in entry.evidence if sync >= entry.since]
        distinct = {
            (
                comparer.measure(former, earlier).odd,
                *(kinds[earlier.key].get(sync) for sync in syncs),
            ): earlier
            for earlier in close
        }
        shared = (comparer.of_three(former, earlier, entry) for earlier in distinct.values())
        leads = (trio.lead / math.sqrt(trio.num_samples) for trio in shared if trio)
        return min(leads, default=-COPIED)

    kinds = _kinds(others)
    order = {entry.key: ahead(place, entry) for place, entry in enumerate(others)}
    return tuple(sorted(others, key=lambda entry: (-order[entry.key], entry.precedence)))


def _kinds(others: Sequence[Contestant]) -> Mapping[EntryKey, Mapping[Block, int]]:
    """Return a number for each entry and round, the same for entries with equal losses in it.

    Bounds do not tell exact copies apart, however many there are. Out of rivals with equal losses
    in all rounds that count, and the same odd signers, one is compared.
    """
    numbers: dict[tuple[float, ...], int] = {}
    return {
        entry.key: {
            sync: numbers.setdefault(values, len(numbers))
            for sync, values in entry.evidence.items()
        }
        for entry in others
    }


def _forerunners(entry: Contestant, follows: Mapping[EntryKey, Follows | None]) -> list[Contestant]:
    """Return an entry, the one that it follows, the one that this one follows, and so on."""
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
