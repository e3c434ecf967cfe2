"""Who is heard again in a competition's next round: its champion, and who comes close."""

from __future__ import annotations

from collections.abc import Mapping

from sn37.app.evidence import past_evidence
from sn37.domain.commitment import CommitmentBook
from sn37.domain.ids import BlockRef, CompetitionId, EntryKey
from sn37.domain.queue import current_submissions
from sn37.domain.racing import select_contenders
from sn37.domain.schedule import Schedule
from sn37.domain.state import History, Submission
from sn37.domain.winner import Contestant
from sn37.ports.state_store import StateStore


async def contenders_of(
    history: History,
    *,
    competition: CompetitionId,
    submissions: Mapping[EntryKey, Submission],
    sync: BlockRef,
    book: CommitmentBook,
    store: StateStore,
    schedule: Schedule,
) -> tuple[EntryKey, ...]:
    """The newest champion there was, and who gathers evidence against it.

    A round may leave the crown vacant. Those who were scored before stay in all the same:
    nothing else would ever let them back. A commitment that was replaced since takes nobody's
    place.

    Args:
        history: Of the competition's finished rounds.
        book: The chain's records at ``sync``, the next round's block.
    """
    if not history.crowned:
        return ()
    champion = history.crowned[-1]
    known = {
        s.commitment.key: s.commitment
        for s in current_submissions(submissions.values(), sync.number, book)
        if s.commitment.competition == competition and not s.retired
    }
    known[champion] = submissions[champion].commitment
    evidence = await past_evidence(store, schedule, competition, known)
    contestants = {
        key: Contestant(key=key, precedence=known[key].precedence, evidence=evidence.get(key, {}))
        for key in known
    }
    others = [c for key, c in contestants.items() if key != champion]
    return (champion, *select_contenders(contestants[champion], others))
