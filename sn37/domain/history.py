"""What the recorded rounds of a competition say about its entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sn37.domain.ids import Block, EntryKey
from sn37.domain.reasons import Blame
from sn37.domain.state import EntryResult, RoundResult, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Which entries were tried, and since when."""

    entered: Mapping[EntryKey, Block] = field(default_factory=dict)  # first sync block tried
    scored: frozenset[EntryKey] = frozenset()  # in at least one round, raced out included

    def previous_challenge(self, key: EntryKey) -> Block | None:
        """When another commitment of this hotkey last began a challenge.

        ``None`` for an entry whose own challenge is under way: it is limited no more.
        """
        if key in self.entered:
            return None
        return max((b for k, b in self.entered.items() if k.hotkey == key.hotkey), default=None)


def history_of(rounds: Iterable[RoundResult]) -> History:
    """The history of one competition, from its rounds in any order."""
    entered: dict[EntryKey, Block] = {}
    scored: set[EntryKey] = set()
    for round_ in rounds:
        for entry in filter(_was_tried, round_.entries):
            first = entered.get(entry.key, round_.key.sync_block)
            entered[entry.key] = min(first, round_.key.sync_block)
            if entry.verdict is Verdict.SCORED:
                scored.add(entry.key)
    return History(entered=entered, scored=frozenset(scored))


def abridged(round_: RoundResult) -> RoundResult:
    """A round of the past as far as rules still ask for it: its crown, and who took part."""
    took_part = tuple(
        replace(entry, detail="", score=None, tasks=())
        for entry in round_.entries
        if entry.verdict in (Verdict.SCORED, Verdict.FAILED)
    )
    return replace(round_, entries=took_part, near_duplicates=None)


def _was_tried(entry: EntryResult) -> bool:
    """Scored, or failed by the model's fault: an outage of ours uses up no challenge."""
    if entry.verdict is Verdict.FAILED:
        return entry.reason is not None and entry.reason.blame is Blame.MINER
    return entry.verdict is Verdict.SCORED
