"""Check that one offered round passes the crown on to the next by the rule."""

from __future__ import annotations

from collections.abc import Collection

from sn37.app.rounds.setting_aside import with_opinions
from sn37.domain.ids import EntryKey
from sn37.domain.records.statement import RoundStatement
from sn37.domain.round.defences import missed_defence
from sn37.domain.round.state import OpenRound


def broken_succession(
    before: RoundStatement,
    now: RoundStatement,
    *,
    with_evidence: Collection[EntryKey],
    was_shielded: bool | None,
) -> str | None:
    """Return the fault between two consecutive rounds, if any.

    Args:
        with_evidence: Entries that were scored in earlier rounds.
        was_shielded: The champion was shielded after ``before``; ``None`` if unknown.
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
    if fault := _broken_count(before, now):
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


def _broken_count(before: RoundStatement, now: RoundStatement) -> str | None:
    """Return the fault in the number of rounds that the champion missed, if any.

    A missed round adds one, and the oldest round of the window may drop out.
    """
    counted = None if now.premises is None else now.premises.missed_defences
    known = None if before.premises is None else before.premises.missed_defences
    if counted is None:
        return None if known is None else "it does not count the rounds that its champion missed"
    if now.champion != before.winner or before.champion != before.winner:
        due: tuple[int, ...] = (0,)
    elif known is None:
        return None
    else:
        opened = OpenRound(
            plan=before.plan(),
            outcomes={o.key: o for o in before.outcomes},
            opinions={o.key: o for o in before.opinions},
        )
        outcomes = with_opinions(opened).outcomes.values()
        newest = known + missed_defence(before.champion, outcomes)
        due = (newest, newest - 1)
    return None if counted in due else "it counts the rounds that its champion missed wrongly"
