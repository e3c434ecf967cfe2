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
    """Each entry's evidence by sync block, every round weighed by the rules it had."""
    stored = await store.losses(competition, entries)
    return {
        entry: {
            block: weigh(losses, rules)
            for block, losses in rounds.items()
            if (rules := schedule.competition(competition, block)) is not None
        }
        for entry, rounds in stored.items()
    }
