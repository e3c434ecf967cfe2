"""Check that one offered round passes the crown on to the next by the rule."""

from __future__ import annotations

from collections.abc import Collection

from sn37.app.rounds.setting_aside import with_opinions
from sn37.domain.ids import EntryKey
from sn37.domain.records.statement import RoundStatement
from sn37.domain.round.defences import MOST_DEFENCES, missed_defence
from sn37.domain.round.state import EntryOutcome, OpenRound
from sn37.domain.round.winner import UNSHIELDED_ROUNDS


def broken_succession(
    before: RoundStatement,
    now: RoundStatement,
    *,
    with_evidence: Collection[EntryKey],
    was_shielded: bool | None,
    seen: Collection[bool],
) -> str | None:
    """Return the fault between two consecutive rounds, if any.

    Args:
        with_evidence: Entries that were scored in earlier rounds.
        was_shielded: The champion was shielded after ``before``; ``None`` if unknown.
        seen: For the offered rounds of its reign up to ``before``: true if it missed the round.
    """
    premises = now.premises
    if premises is None:
        if before.premises is not None:
            return "it is judged by an older rule than the previous round"
        if now.champion not in (before.winner, None):
            return "its champion did not win the previous round"
        return None
    if before.winner not in (premises.former, None):
        return "it names another former champion than there was"
    if before.premises is not None:
        if premises.num_judged != before.premises.num_judged + 1:
            return "it counts the earlier rounds wrongly"
        both = set(before.entries) & set(now.entries)
        # A clock restarts after a round that the entry was left out of.
        if any(before.premises.clock_of(key) != premises.clock_of(key) for key in both):
            return "it moves the clock of an entry that was in the previous round"
    if fault := _broken_count(before, now, seen):
        return fault
    if now.champion == before.winner:
        if was_shielded is not None and premises.is_shielded != was_shielded:
            return "its champion is protected differently than before"
        return None
    # The crown was vacant: the heir is not shielded, and must have evidence if any entry has.
    heirs = set(with_evidence) & set(now.entries) - now.unreadable
    if premises.is_shielded or (heirs and now.champion not in heirs):
        return "the vacant crown went to an entry without evidence"
    return None


def _broken_count(
    before: RoundStatement, now: RoundStatement, seen: Collection[bool]
) -> str | None:
    """Return the fault in the number of rounds that the champion missed, if any.

    A missed round adds one, and the oldest round of the window may drop out. The number includes
    all missed rounds that were offered, and rounds of the reign before those.
    """
    counted = None if now.premises is None else now.premises.missed_defences
    known = None if before.premises is None else before.premises.missed_defences
    if counted is None:
        return None if known is None else "it does not count the rounds that its champion missed"
    due: Collection[int] = (0,)
    if now.champion == before.winner == before.champion:
        num_seen = sum(seen)
        due = range(num_seen, num_seen + MOST_DEFENCES - len(seen) + 1)
        if known is not None:
            newest = known + missed_defence(before.champion, _ended(before))
            due = [number for number in (newest, newest - 1) if number in due]
    return None if counted in due else "it counts the rounds that its champion missed wrongly"


def _ended(statement: RoundStatement) -> Collection[EntryOutcome]:
    opened = OpenRound(
        plan=statement.plan(),
        outcomes={o.key: o for o in statement.outcomes},
        opinions={o.key: o for o in statement.opinions},
    )
    return with_opinions(opened).outcomes.values()


def broken_beginning(first: RoundStatement, *, num_rounds: int) -> str | None:
    """Return the fault of the first offered round, of which no earlier one is known, if any.

    It does not follow from the offered rounds if its champion is shielded. It cannot be shielded if
    the competition was too young, or if the crown was inherited.

    Args:
        num_rounds: Sync blocks of the competition before it.
    """
    premises = first.premises
    if premises is None:
        return None
    if premises.num_judged > num_rounds:
        return f"it counts {premises.num_judged} earlier rounds, but there were {num_rounds}"
    if (premises.missed_defences or 0) > premises.num_judged:
        return "its champion missed more rounds than there were"
    if premises.is_shielded and (
        premises.num_judged <= UNSHIELDED_ROUNDS or first.champion != premises.former
    ):
        return "its champion is protected, but took the crown too early or inherited it"
    return None
