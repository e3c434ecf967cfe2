"""Recorded losses as evidence for the winner rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sn37.domain.ids import CompetitionId, EntryKey
from sn37.domain.round.evidence import Evidence, weigh
from sn37.domain.round.signers import Origins, origins_of
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.state_store import StateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEvidence:
    """Evidence on some entries from a competition's finished rounds."""

    by_entry: Mapping[EntryKey, Evidence] = field(default_factory=dict)
    origins: Origins = field(default_factory=dict)  # of the samples of those rounds

    def of(self, entry: EntryKey) -> Evidence:
        """Return one entry's evidence by sync block."""
        return self.by_entry.get(entry, {})


NO_EVIDENCE = PastEvidence()


async def past_evidence(
    store: StateStore,
    schedule: Schedule,
    competition: CompetitionId,
    entries: Collection[EntryKey],
) -> PastEvidence:
    """Return each entry's evidence by sync block, from a competition's finished rounds.

    Every round is weighed by its own rules. Rounds in which the entry failed are left out,
    because the losses streamed before a failure depend on its time. So are rounds in which none
    of the other entries was scored: evidence compares two entries, and a long reign has thousands
    of such rounds.
    """
    shared = await store.shared_rounds(competition, entries)
    if not shared:
        return NO_EVIDENCE
    since = min(shared)
    stored = await store.losses(competition, entries, since=since)
    signers = await store.signers(competition, since=since)
    return PastEvidence(
        by_entry={
            key: {
                block: weigh(losses, rules)
                for block, losses in by_block.items()
                if key in shared.get(block, ())
                and (rules := schedule.competition(competition, block)) is not None
            }
            for key, by_block in stored.items()
        },
        origins={
            block: origins_of(signers.get(block), rules)
            for block in shared
            if (rules := schedule.competition(competition, block)) is not None
        },
    )
