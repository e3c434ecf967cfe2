"""What the recorded rounds of a competition say about its entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.reasons import Blame, Reason
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
    scored, time = set(past.scored), _Time(past)
    for round_ in rounds:
        for entry in round_.entries:
            time.add(entry)
        for entry in filter(_was_tried, round_.entries):
            entered.setdefault(entry.key, round_.key.sync_block)
            if entry.verdict is Verdict.SCORED:
                scored.add(entry.key)
    held = [r for r in rounds if r.skipped is None]
    judged = [r.champion for r in held]
    return History(
        entered=entered,
        scored=frozenset(scored),
        num_judged=past.num_judged + len(judged),
        champion=judged[-1] if judged else past.champion,
        crowned=_by_last_time((*past.crowned, *judged)),
        timeouts=time.timeouts,
        stalls=time.stalls,
        hung=frozenset(time.hung),
        postponed=frozenset(held[-1].postponed) if held else past.postponed,
    )


class _Time:
    """Which entries could not be scored in their time, since they were last scored."""

    def __init__(self, past: History) -> None:
        self.timeouts = dict(past.timeouts)
        self.stalls = dict(past.stalls)
        self.hung = set(past.hung)

    def add(self, entry: EntryResult) -> None:
        """One row of the next round. An outage of ours neither adds nor forgives."""
        key = entry.key
        if entry.verdict is Verdict.SCORED:
            self.timeouts.pop(key, None)
            self.stalls.pop(key, None)
            self.hung.discard(key.hotkey)
        elif entry.verdict is Verdict.FAILED and entry.reason is Reason.TIMEOUT:
            self.timeouts[key] = self.timeouts.get(key, 0) + 1
            self.hung.add(key.hotkey)
        elif entry.verdict is Verdict.FAILED and entry.reason is Reason.STALLED:
            self.stalls[key] = self.stalls.get(key, 0) + 1


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
