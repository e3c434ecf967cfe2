"""Pruning of a competition's history: the records that the rules may still need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.round.history import had_a_place, history_of
from sn37.domain.round.round_entries import current_submissions
from sn37.domain.round.state import NO_HISTORY, RoundResult, ValidatorState
from sn37.domain.schedule.schedule import WINDOW_ROUNDS
from sn37.domain.submission.submission import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Rounds of one competition whose losses and receipts were removed."""

    competition: CompetitionId
    num_rounds: int
    newest: Block  # sync block of the newest of these rounds
    at: datetime  # time at which that one was removed


def forgotten_of(state: ValidatorState) -> tuple[Forgotten, ...]:
    """Return the removed rounds of each competition."""
    found = []
    for competition, rounds in sorted(state.rounds.items()):
        gone = [(r.key.sync_block, r.forgotten_at) for r in rounds if r.forgotten_at is not None]
        if gone:
            newest, at = gone[-1]
            found.append(
                Forgotten(competition=competition, num_rounds=len(gone), newest=newest, at=at)
            )
    return tuple(found)


def forget_before(
    state: ValidatorState, competition: CompetitionId, *, keep_blocks: int
) -> Block | None:
    """Return the sync block from which on rounds are kept completely; ``None`` while all are.

    Ages count from the newest round, so a validator that was away for long loses nothing at
    its return. Open rounds and the window of the standings are never too old.
    """
    rounds = state.rounds.get(competition, ())
    if len(rounds) <= WINDOW_ROUNDS:
        return None
    under_way = (k.sync_block for k in state.open_rounds if k.competition == competition)
    return min(
        Block(rounds[-1].key.sync_block - keep_blocks),
        rounds[-WINDOW_ROUNDS].key.sync_block,
        *under_way,
    )


def remembered(
    state: ValidatorState, competition: CompetitionId, before: Block
) -> frozenset[EntryKey]:
    """Return the entries whose losses are kept from all rounds, also from before ``before``.

    These are the entry that holds the crown or held it last, those that may still be scored, and
    those that took part from ``before`` on, or had no time there, because their results or those of
    others follow from all their losses. A commitment that was replaced before the newest round may
    be scored again while it had a place in one of the last judged rounds, however old these are.
    """
    rounds = state.rounds.get(competition, ())
    history = history_of(rounds, state.past.get(competition, NO_HISTORY))
    newest = rounds[-1].key.sync_block if rounds else Block(0)
    known = state.submissions.values()
    later = [s for s in known if s.commitment.block > newest]
    kept = {
        s.commitment.key
        for s in (*current_submissions(known, newest), *later)
        if s.commitment.competition == competition and not s.retired
    }
    kept.update(
        s.commitment.key
        for s in known
        if s.commitment.competition == competition
        and not s.retired
        and s.commitment.key in history.scored
        and had_a_place(history, s.commitment.key)
    )
    kept.update(history.crowned[-1:])
    for opened in state.open_rounds.values():
        kept.update(opened.plan.entries)
    for round_ in rounds:
        if round_.key.sync_block >= before:
            kept.update((*_tried(round_), *round_.postponed))
    return frozenset(kept)


def _tried(round_: RoundResult) -> list[EntryKey]:
    return [e.key for e in round_.entries if e.verdict in (Verdict.SCORED, Verdict.FAILED)]
