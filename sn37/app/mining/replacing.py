"""Warning when a hotkey commits again while its entry is still being scored."""

from __future__ import annotations

from sn37.app.mining.evaluation import first_round
from sn37.domain.ids import BLOCK_SECONDS, Block, Hotkey
from sn37.domain.round.history import history_of
from sn37.domain.round.state import NO_HISTORY, ValidatorState
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import RoundTiming
from sn37.domain.submission.eligibility import CHALLENGE_BLOCKS
from sn37.domain.submission.submission import Verdict


def warning(
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
