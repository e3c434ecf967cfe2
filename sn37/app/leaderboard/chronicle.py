"""The history of all rounds in memory, small enough to keep and quick to refresh.

Pages need the whole history for crowns and standings, but a record of years takes seconds to
read. A chronicle reads each finished round once and keeps its crown, the rows of its champions,
and which entries were in it.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.round.crown_history import Reign, reigns
from sn37.domain.round.state import RoundResult
from sn37.domain.submission.submission import Verdict
from sn37.ports.record_reader import RecordSnapshot

_T = TypeVar("_T")

BATCH_ROUNDS = 200  # read in one go; a snapshot of so many takes a fraction of a second
# A round may finish after one that began later, and a missed round may be scored later.
RECHECKED_ROWS = 100
WHOLE_ROUNDS = 64  # kept as they were read last; a page on a submission shows twenty
MAX_SO_FAR = 1_000  # entries of open rounds
MAX_AGE_S = 60.0  # of these: details of old rounds are removed from the record


@dataclass(slots=True)
class Attendance:
    """The rows of the rounds that list an entry, and of those that scored it, in order."""

    listed: array[int] = field(default_factory=lambda: array("q"))
    scored: array[int] = field(default_factory=lambda: array("q"))


class Chronicle:
    """All finished rounds of a record. Not thread-safe."""

    def __init__(self) -> None:
        self._by_row: dict[int, RoundResult] = {}
        self._row_of: dict[RoundKey, int] = {}
        self._rounds: dict[CompetitionId, list[RoundResult]] = {}
        self._attended: dict[EntryKey, Attendance] = {}
        self._derived: dict[tuple[str, CompetitionId], tuple[int, Any]] = {}
        self._whole: OrderedDict[int, tuple[float, RoundResult]] = OrderedDict()
        self._so_far: dict[tuple[int, EntryKey], tuple[int, Any]] = {}
        self._hotkeys: set[Hotkey] = set()
        self._newest_row = 0
        self.num_changes = 0  # grows whenever something is added

    def refresh(self, snapshot: RecordSnapshot, *, limit: int = BATCH_ROUNDS) -> bool:
        """Read what is new, at most ``limit`` rounds; return whether that was all."""
        after = max(self._newest_row - RECHECKED_ROWS, 0)
        rows = snapshot.finished(after=after, limit=RECHECKED_ROWS + limit)
        fresh = [row for row in rows if row not in self._by_row][:limit]
        missed = [row for row in rows if self._may_be_scored_later(row)]
        for row in (*missed, *fresh):
            self._add(row, snapshot.result(row))
        return len(rows) < RECHECKED_ROWS + limit and len(fresh) < limit

    @property
    def competitions(self) -> Sequence[CompetitionId]:
        """The competitions that have rounds."""
        return sorted(self._rounds)

    def rounds(self, competition: CompetitionId) -> Sequence[RoundResult]:
        """Return a competition's rounds, the oldest first.

        Their only entries are the champion's row, and that of the champion before.
        """
        return self._rounds.get(competition, [])

    def as_mapping(self, num_rounds: int) -> Mapping[CompetitionId, tuple[RoundResult, ...]]:
        """Return the newest rounds of each competition."""
        return {c: tuple(held[-num_rounds:]) for c, held in self._rounds.items()}

    def reigns(self, competition: CompetitionId) -> tuple[Reign, ...]:
        """Return the reigns of a competition, the oldest first."""
        return self.derived("reigns", competition, lambda: reigns(self.rounds(competition)))

    def present_reign(self, competition: CompetitionId) -> Reign | None:
        """Return the reign of the present champion."""
        found = self.reigns(competition)
        return found[-1] if found and found[-1].until is None else None

    def derived(self, what: str, competition: CompetitionId, derive: Callable[[], _T]) -> _T:
        """Return what follows from a competition's rounds; derived again when there are more."""
        known = self._derived.get((what, competition))
        if known is None or known[0] != self.num_changes:
            known = self._derived[what, competition] = (self.num_changes, derive())
        found: _T = known[1]
        return found

    def whole(self, snapshot: RecordSnapshot, row: int) -> RoundResult:
        """Return a finished round with all its entries.

        Raises:
            LookupError: The row is not of a finished round.
        """
        known, now_s = self._whole.get(row), time.monotonic()
        if known is None or now_s - known[0] > MAX_AGE_S:
            known = self._whole[row] = (now_s, snapshot.result(row))
        self._whole.move_to_end(row)
        if len(self._whole) > WHOLE_ROUNDS:
            self._whole.popitem(last=False)
        return known[1]

    def so_far(self, row: int, entry: EntryKey, num_blocks: int, derive: Callable[[], _T]) -> _T:
        """Return what follows from an entry's blocks of an open round; derived again for more."""
        known = self._so_far.get((row, entry))
        if known is None or known[0] != num_blocks:
            if len(self._so_far) >= MAX_SO_FAR:
                self._so_far.clear()
            known = self._so_far[row, entry] = (num_blocks, derive())
        found: _T = known[1]
        return found

    def row_of(self, round_: RoundKey) -> int | None:
        """Return the row of a finished round."""
        return self._row_of.get(round_)

    def key_of(self, row: int) -> RoundKey:
        """Return the key of a finished round."""
        return self._by_row[row].key

    def round_of(self, row: int) -> RoundResult:
        """Return a finished round as ``rounds`` has it."""
        return self._by_row[row]

    def attended(self, entry: EntryKey) -> Attendance:
        """Return the rounds that an entry was in; an unknown entry was in none."""
        return self._attended.get(entry) or Attendance()

    def lists(self, hotkey: Hotkey) -> bool:
        """True if a round lists an entry of this hotkey."""
        return hotkey in self._hotkeys

    def shared(self, one: EntryKey, other: EntryKey) -> frozenset[int]:
        """Return the rows of the rounds that scored both entries."""
        return frozenset(self.attended(one).scored) & frozenset(self.attended(other).scored)

    def newest_judged(self, competition: CompetitionId) -> RoundResult | None:
        """Return the newest round that was not missed."""
        held = self._rounds.get(competition, [])
        return next((r for r in reversed(held) if r.skipped is None), None)

    def _may_be_scored_later(self, row: int) -> bool:
        known = self._by_row.get(row)
        return known is not None and known.skipped is not None and known.later is None

    def _add(self, row: int, result: RoundResult) -> None:
        known = self._by_row.get(row)
        if known is not None:
            if result.later is None:
                return  # it is still missed
            self._whole.pop(row, None)
            self._rounds[known.key.competition].remove(known)
        held = self._rounds.setdefault(result.key.competition, [])
        place = bisect_left(held, result.key.sync_block, key=_sync_block)
        light = _light(result, champion_before(held, place))
        held.insert(place, light)
        self._by_row[row], self._row_of[result.key] = light, row
        for entry in result.entries:
            attended = self._attended.setdefault(entry.key, Attendance())
            self._hotkeys.add(entry.key.hotkey)
            insort(attended.listed, row)
            if entry.verdict is Verdict.SCORED:
                insort(attended.scored, row)
        self._newest_row = max(self._newest_row, row)
        self.num_changes += 1


def champion_before(rounds: Sequence[RoundResult], index: int) -> EntryKey | None:
    """Return the champion before the round at ``index``."""
    earlier = (rounds[n] for n in range(index - 1, -1, -1))
    return next((r.champion for r in earlier if r.skipped is None), None)


def _sync_block(result: RoundResult) -> Block:
    return result.key.sync_block


def _light(result: RoundResult, before: EntryKey | None) -> RoundResult:
    """Return a round with the rows of its champion and of the one before alone."""
    kept = tuple(e for e in result.entries if e.key in (result.champion, before))
    return replace(result, entries=kept, near_duplicates=None, clocks=(), postponed=())
