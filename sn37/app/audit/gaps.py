"""Reasons for which less of a round can be compared, decided once for each round."""

from __future__ import annotations

from collections.abc import Collection
from enum import Flag, auto

from sn37.app.audit.derived_past import Past
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.round.state import Beginning, OpenRound, RoundResult


class Gap(Flag):
    """A part of a round that is missing, or was not yet recorded in its version."""

    NONE = 0
    FORGOTTEN = auto()  # its losses were removed: no verdict can be derived
    FOREIGN_ROWS = auto()  # another validator drew its rows, perhaps without screening them
    FIRST_ADOPTED = auto()  # the state does not have the round before it, with its crown
    DEFENCES_UNCOUNTED = auto()  # its version did not count the rounds that its champion missed
    PAST_MISSING = auto()  # the records behind its crown were not offered
    PREVIOUS_GONE = auto()  # the statement before it was not adopted, or was removed
    COPIES_UNCHECKED = auto()  # near duplicates were not looked for
    FIRST_RULE = auto()  # a schedule's fingerprint changed since its version
    UNSCORED = auto()  # no receipt shows of which version its statement must be


def gaps_of(
    opened: OpenRound,
    result: RoundResult,
    receipts: Collection[SignedReceipt],
    *,
    past: Past,
    beginning: Beginning | None,
) -> Gap:
    """Return the gaps of a round that was opened.

    Args:
        past: Of the rounds before it that the state has.
        beginning: How the state began; ``None``: with the chain.
    """
    sync_block, newest = result.key.sync_block, past.newest
    follows_from = {} if beginning is None else beginning.follows_from
    holds = {
        Gap.FORGOTTEN: result.forgotten_at is not None,
        Gap.FOREIGN_ROWS: result.later is not None
        or (beginning is not None and sync_block <= beginning.block),
        Gap.FIRST_ADOPTED: newest is None and beginning is not None,
        Gap.DEFENCES_UNCOUNTED: result.missed_defences is None,
        Gap.PAST_MISSING: sync_block < follows_from.get(result.key.competition, 0),
        Gap.PREVIOUS_GONE: newest is None or newest.forgotten_at is not None,
        Gap.COPIES_UNCHECKED: result.near_duplicates is None,
        Gap.FIRST_RULE: opened.plan.premises is None,
        Gap.UNSCORED: not receipts,
    }
    found = Gap.NONE
    for gap, is_there in holds.items():
        if is_there:
            found |= gap
    return found
