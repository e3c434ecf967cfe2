"""What the recorded rounds of a competition say about its entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.reasons import Blame
from sn37.domain.state import (
    NO_HISTORY,
    EntryResult,
    History,
    RoundResult,
    ValidatorState,
    Verdict,
)


def history_of(rounds: Sequence[RoundResult], past: History = NO_HISTORY) -> History:
    """The history of one competition.

    Args:
        rounds: By sync block, as they are recorded.
        past: What the rounds before these come to.
    """
    entered: dict[EntryKey, Block] = dict(past.entered)
    scored = set(past.scored)
    for round_ in rounds:
        for entry in filter(_was_tried, round_.entries):
            entered.setdefault(entry.key, round_.key.sync_block)
            if entry.verdict is Verdict.SCORED:
                scored.add(entry.key)
    judged = [r.champion for r in rounds if r.skipped is None]
    return History(
        entered=entered,
        scored=frozenset(scored),
        num_judged=past.num_judged + len(judged),
        champion=judged[-1] if judged else past.champion,
        crowned=_by_last_time((*past.crowned, *judged)),
    )


def histories_of(state: ValidatorState) -> Mapping[CompetitionId, History]:
    """The history of each competition."""
    return {c: history_of(r, state.past.get(c, NO_HISTORY)) for c, r in state.rounds.items()}


def abridged(round_: RoundResult) -> RoundResult:
    """A round of the past as far as rules still ask for it: its crown, and who took part."""
    took_part = tuple(
        replace(entry, detail="", score=None, tasks=())
        for entry in round_.entries
        if entry.verdict in (Verdict.SCORED, Verdict.FAILED)
    )
    return replace(round_, entries=took_part, near_duplicates=None)


def _by_last_time(champions: Sequence[EntryKey | None]) -> tuple[EntryKey, ...]:
    """Each of them once, in the order of its last place."""
    newest_first = dict.fromkeys(c for c in reversed(champions) if c is not None)
    return tuple(reversed(newest_first))


def _was_tried(entry: EntryResult) -> bool:
    """Scored, or failed by the model's fault: an outage of ours uses up no challenge."""
    if entry.verdict is Verdict.FAILED:
        return entry.reason is not None and entry.reason.blame is Blame.MINER
    return entry.verdict is Verdict.SCORED
