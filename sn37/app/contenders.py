"""Who is heard again in a competition's next round: its champion, and who comes close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sn37.app.evidence import past_evidence
from sn37.domain.commitment import CommitmentBook
from sn37.domain.ids import BlockRef, CompetitionId, EntryKey
from sn37.domain.queue import current_submissions
from sn37.domain.racing import select_contenders
from sn37.domain.schedule import Schedule
from sn37.domain.state import RoundResult, Submission
from sn37.domain.winner import Contestant
from sn37.ports.state_store import StateStore


def champion_of(rounds: Sequence[RoundResult]) -> EntryKey | None:
    """Who holds the crown after the newest round that was judged."""
    return next((r.champion for r in reversed(rounds) if r.skipped is None), None)


async def contenders_of(
    rounds: Sequence[RoundResult],
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
        rounds: Of the competition, finished.
        book: The chain's records at ``sync``, the next round's block.
    """
    champion = next((r.champion for r in reversed(rounds) if r.champion is not None), None)
    if champion is None:
        return ()
    known = {
        s.commitment.key: s.commitment
        for s in current_submissions(submissions.values(), sync.number, book)
        if s.commitment.competition == competition and not s.retired
    }
    known[champion] = submissions[champion].commitment
    evidence = await past_evidence(store, schedule, competition, rounds, known)
    contestants = {
        key: Contestant(key=key, precedence=known[key].precedence, evidence=evidence.get(key, {}))
        for key in known
    }
    others = [c for key, c in contestants.items() if key != champion]
    return (champion, *select_contenders(contestants[champion], others))
