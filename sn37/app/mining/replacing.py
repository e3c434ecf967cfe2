"""Losses by a new commitment: a crown, a seal, or an entry that is still being scored."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sn37.app.mining.evaluation import first_round
from sn37.domain.ids import BLOCK_SECONDS, Block, EntryKey, Hotkey, RoundKey
from sn37.domain.round.history import history_of
from sn37.domain.round.state import NO_HISTORY, ValidatorState
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import RoundTiming
from sn37.domain.submission.commitment import StandingCommitment
from sn37.domain.submission.eligibility import CHALLENGE_BLOCKS
from sn37.domain.submission.submission import Verdict


def given_up_by_replacing(
    standing: StandingCommitment | None,
    *,
    hotkey: Hotkey,
    crowns: Collection[tuple[RoundKey, EntryKey]],
    reveal_at: datetime | None = None,
) -> tuple[str, ...]:
    """Return what a new commitment of ``hotkey`` would give up, one line each.

    The chain keeps one commitment for each hotkey on a subnet. A new one replaces the old one
    at once, even if the new one is sealed and cannot be read for hours.

    Args:
        standing: The commitment on chain now.
        crowns: The champion after the newest round of each competition, if known.
        reveal_at: Time at which the new commitment opens, if it is sealed.
    """
    if standing is None:
        return ()
    if standing.data is None:
        return (
            f"the sealed commitment of block {standing.block} has not opened yet: it is replaced "
            "and will never open",
        )
    held = sorted(r.competition for r, key in crowns if key == EntryKey(hotkey, standing.block))
    found = [
        f"the commitment of block {standing.block} holds the crown of competition {competition}: "
        "a new commitment gives it up and has to win it again as a challenger"
        for competition in held
    ]
    if held and reveal_at is not None and not standing.was_sealed:
        found.append(
            f"the new commitment is sealed until {reveal_at:%Y-%m-%d %H:%M} UTC: until then "
            "this hotkey has no model in any round and earns nothing"
        )
    return tuple(found)


def evidence_at_stake(
    state: ValidatorState | None,
    hotkey: Hotkey,
    *,
    rules: Competition,
    timing: RoundTiming,
    head: Block,
) -> str | None:
    """Return the state of the entry that a new commitment replaces, and when that is scored.

    ``None`` if no entry of the hotkey gathers evidence in the newest judged round on record, or
    if no validator has run.
    """
    if state is None:
        return None
    rounds = state.rounds.get(rules.id, ())
    newest = next((r for r in reversed(rounds) if r.skipped is None), None)
    if newest is None:
        return None
    gathering = [
        e
        for e in newest.entries
        if e.key.hotkey == hotkey
        and e.key != newest.champion
        and e.verdict is Verdict.SCORED
        and e.reason is None
    ]
    if not gathering:
        return None
    entry = max(gathering, key=lambda e: e.key.block)
    last = history_of(rounds, state.past.get(rules.id, NO_HISTORY)).last_challenge(hotkey)
    due = first_round(rules, timing, head)
    if last is not None:
        due = max(due, timing.next_sync_block(Block(last + CHALLENGE_BLOCKS - 1)))
    hours = (due - head) * BLOCK_SECONDS / 3600
    return (
        f"your commitment of block {entry.key.block} gathers evidence: {entry.detail}; it stays "
        f"in the rounds until it is crowned or falls behind the champion. The new one begins "
        f"with its own evidence in the round of block {due} at the earliest, in {hours:.0f} hours"
    )
