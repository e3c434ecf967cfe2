"""Champion and contenders of a competition's next round."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sn37.app.rounds.past_evidence import past_evidence
from sn37.domain.ids import BlockRef, CompetitionId, EntryKey
from sn37.domain.metagraph import Metagraph
from sn37.domain.round.comparing import Comparer
from sn37.domain.round.contention import candidates_of, contention_of
from sn37.domain.round.round_entries import NO_CONTENTION, Contention
from sn37.domain.round.state import History
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.commitment import CommitmentBook
from sn37.domain.submission.submission import Submission
from sn37.ports.state_store import StateStore


async def contenders_of(
    history: History,
    *,
    competition: CompetitionId,
    submissions: Mapping[EntryKey, Submission],
    sync: BlockRef,
    book: CommitmentBook,
    metagraph: Metagraph,
    store: StateStore,
    schedule: Schedule,
) -> Contention:
    """Return the newest champion, and the entries that collect evidence against it.

    A round may leave the crown vacant. Entries that were scored before still stay, because
    nothing else would let them return. A thread decides: 256 entries with 2,400 samples each take
    five seconds.

    Args:
        history: Of the competition's finished rounds.
        book: The chain's records at ``sync``, the next round's block, like ``metagraph``.
    """
    rules = schedule.competition(competition, sync.number)
    found = candidates_of(
        history,
        competition=competition,
        submissions=submissions,
        sync_block=sync.number,
        metagraph=metagraph,
        schedule=schedule,
        book=book,
    )
    if found is None or rules is None:
        return NO_CONTENTION
    past = await past_evidence(store, schedule, competition, found.keys)
    comparer = Comparer(epsilon_end=rules.epsilon.end, origins=past.origins)
    return await asyncio.to_thread(contention_of, found, past.by_entry, comparer)
