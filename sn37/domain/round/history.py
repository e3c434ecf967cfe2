"""History of a competition's entries, computed from its recorded rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.reasons import OF_THE_WORKER, Blame, Reason
from sn37.domain.round.defences import defences_after, first_defences
from sn37.domain.round.state import NO_HISTORY, EntryResult, History, RoundResult, ValidatorState
from sn37.domain.submission.submission import Verdict

# Judged rounds after which a replaced entry is let go that had no turn in them. In so many each of
# the sixteen entries that may have a free place has a turn, even if a round has time for one entry.
ROUNDS_FOR_A_TURN = 32


def history_of(rounds: Sequence[RoundResult], past: History = NO_HISTORY) -> History:
    """Return the history of one competition.

    Missed rounds do not count, even if they were scored later: their losses are evidence, but begin
    no challenge.

    Args:
        rounds: Recorded rounds by sync block.
        past: History of the rounds before these.
    """
    judged = [r for r in rounds if r.skipped is None]
    entered, scored, time = dict(past.entered), set(past.scored), _Time(past)
    last_tried, clocks = dict(past.last_tried), dict(past.clocks)
    for round_ in judged:
        of_round = dict(round_.clocks)
        for entry in round_.entries:
            time.add(entry, round_.key.sync_block)
        for entry in filter(_was_tried, round_.entries):
            key, sync = entry.key, round_.key.sync_block
            clock = of_round.get(key, key.block)
            if clock > clocks.get(key, key.block):  # its evidence and challenge restarted
                clocks[key] = clock
                entered.pop(key, None)
                scored.discard(key)
            entered.setdefault(key, sync)
            last_tried[key] = sync
            if entry.verdict is Verdict.SCORED:
                scored.add(key)
    newest = judged[-1] if judged else None
    num_before = sum(r.num_judged_before for r in judged)
    return History(
        entered=entered,
        scored=frozenset(scored),
        last_tried=last_tried,
        clocks=clocks,
        num_judged=past.num_judged + num_before + len(judged),
        num_unrecorded=past.num_unrecorded + num_before,
        judged=(*past.judged, *(r.key.sync_block for r in judged))[-ROUNDS_FOR_A_TURN:],
        champion=newest.champion if newest else past.champion,
        is_shielded=newest.is_shielded if newest else past.is_shielded,
        crowned_at=_crowned_at(judged, past),
        defences=_defences(judged, past),
        crowned=_by_last_time((*past.crowned, *(r.champion for r in judged))),
        copiers=_copiers(judged, past),
        timeouts=time.timeouts,
        stalls=time.stalls,
        hung=frozenset(time.hung),
        unlucky=time.unlucky,
        postponed=frozenset(newest.postponed) if newest else past.postponed,
    )


def _crowned_at(judged: Sequence[RoundResult], past: History) -> Block | None:
    champion, since = past.champion, past.crowned_at
    for round_ in judged:
        if round_.champion != champion:
            champion = round_.champion
            since = None if champion is None else round_.key.sync_block
    return since


def _defences(judged: Sequence[RoundResult], past: History) -> tuple[bool, ...]:
    champion, missed = past.champion, past.defences
    for number, round_ in enumerate(judged, start=past.num_judged):
        missed = defences_after(missed, champion, round_) if number else first_defences(round_)
        champion = round_.champion
    return missed


def _copiers(rounds: Sequence[RoundResult], past: History) -> frozenset[Hotkey]:
    """Return the hotkeys whose newest entry was flagged. Old rounds no longer have flags."""
    found = set(past.copiers)
    for round_ in rounds:
        flagged = {later for later, _ in round_.near_duplicates or ()}
        for entry in filter(_was_tried, round_.entries):
            (found.add if entry.key in flagged else found.discard)(entry.key.hotkey)
    return frozenset(found)


class _Time:
    """Counts of timeouts and of faults of the validator per entry, since its last score."""

    def __init__(self, past: History) -> None:
        self.timeouts = dict(past.timeouts)
        self.stalls = dict(past.stalls)
        self.hung = set(past.hung)
        self.unlucky = dict(past.unlucky)

    def add(self, entry: EntryResult, sync_block: Block) -> None:
        """Add one row of the next round. The validator's own outages change no count."""
        key = entry.key
        if _was_tried(entry):
            self.unlucky.pop(key, None)
        elif entry.verdict is Verdict.FAILED and entry.reason in OF_THE_WORKER:
            self.unlucky[key] = sync_block
        if entry.verdict is Verdict.SCORED:
            self.timeouts.pop(key, None)
            self.stalls.pop(key, None)
            self.hung.discard(key.hotkey)
        elif entry.verdict is Verdict.FAILED and entry.reason is Reason.TIMEOUT:
            self.timeouts[key] = self.timeouts.get(key, 0) + 1
            self.hung.add(key.hotkey)
        elif entry.verdict is Verdict.FAILED and entry.reason is Reason.STALLED:
            self.stalls[key] = self.stalls.get(key, 0) + 1


def had_a_place(history: History, entry: EntryKey) -> bool:
    """True if an entry was tried since the last ``ROUNDS_FOR_A_TURN`` judged rounds began.

    Otherwise a replaced entry is left out. Rounds that were sat out do not count, because no entry
    had a place in them.
    """
    is_long = len(history.judged) == ROUNDS_FOR_A_TURN
    return not is_long or history.last_tried.get(entry, entry.block) > history.judged[0]


def histories_of(state: ValidatorState) -> Mapping[CompetitionId, History]:
    """Return the history of each competition."""
    return {c: history_of(r, state.past.get(c, NO_HISTORY)) for c, r in state.rounds.items()}


def abridged(round_: RoundResult) -> RoundResult:
    """Return the parts of a past round that rules still need: its crown and its entries."""
    took_part = tuple(
        replace(entry, detail="", score=None, tasks=())
        for entry in round_.entries
        if entry.verdict in (Verdict.SCORED, Verdict.FAILED)
    )
    return replace(round_, entries=took_part, near_duplicates=None)


def _by_last_time(champions: Sequence[EntryKey | None]) -> tuple[EntryKey, ...]:
    """Return each champion once, in the order of its last occurrence."""
    newest_first = dict.fromkeys(c for c in reversed(champions) if c is not None)
    return tuple(reversed(newest_first))


def _was_tried(entry: EntryResult) -> bool:
    """True if it was scored or failed by its own fault; an outage uses up no challenge."""
    if entry.verdict is Verdict.FAILED:
        return entry.reason is not None and entry.reason.blame is Blame.MINER
    return entry.verdict is Verdict.SCORED
