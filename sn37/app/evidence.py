"""Recorded losses as the evidence that the winner rule works on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sn37.domain.evidence import Evidence, weigh
from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.schedule import Schedule
from sn37.domain.state import RoundResult, Verdict
from sn37.ports.state_store import StateStore


async def past_evidence(
    store: StateStore,
    schedule: Schedule,
    competition: CompetitionId,
    rounds: Iterable[RoundResult],
    entries: Collection[EntryKey],
) -> Mapping[EntryKey, Evidence]:
    """Each entry's evidence by sync block, from a competition's finished rounds.

    Every round is weighed by the rules it had. Rounds in which the entry failed are left out:
    what was streamed before a failure depends on when it came. So are those in which no other of
    the entries was scored: evidence is between two, and a long reign has thousands of them.
    """
    shared: dict[Block, set[EntryKey]] = {}
    wanted = set(entries)
    for r in rounds:
        scored = {e.key for e in r.entries if e.verdict is Verdict.SCORED} & wanted
        if len(scored) > 1:
            shared[r.key.sync_block] = scored
    if not shared:
        return {key: {} for key in wanted}
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
