"""Recorded losses as the evidence that the winner rule works on."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sn37.domain.evidence import Evidence, weigh
from sn37.domain.ids import CompetitionId, EntryKey
from sn37.domain.schedule import Schedule
from sn37.ports.state_store import StateStore


async def past_evidence(
    store: StateStore,
    schedule: Schedule,
    competition: CompetitionId,
    entries: Collection[EntryKey],
) -> Mapping[EntryKey, Evidence]:
    """Each entry's evidence by sync block, from a competition's finished rounds.

    Every round is weighed by the rules it had. Rounds in which the entry failed are left out:
    what was streamed before a failure depends on when it came. So are those in which no other of
    the entries was scored: evidence is between two, and a long reign has thousands of them.
    """
    shared = await store.shared_rounds(competition, entries)
    if not shared:
        return {key: {} for key in entries}
    stored = await store.losses(competition, entries, since=min(shared))
    return {
        key: {
            block: weigh(losses, rules)
            for block, losses in by_block.items()
            if key in shared.get(block, ())
            and (rules := schedule.competition(competition, block)) is not None
        }
        for key, by_block in stored.items()
    }
