"""Contention: entries that may still take a crown, are scored again, or are waited for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.metagraph import Metagraph
from sn37.domain.round.comparing import STAYING_LEAD, Comparer, Contestant
from sn37.domain.round.contender_places import contenders, distinct_first, ranked
from sn37.domain.round.evidence import Evidence
from sn37.domain.round.history import had_a_place
from sn37.domain.round.round_entries import Contention, current_submissions, precedence_of
from sn37.domain.round.state import History
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.commitment import CommitmentBook
from sn37.domain.submission.duplicates import mark_duplicates
from sn37.domain.submission.eligibility import is_out
from sn37.domain.submission.submission import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The last holder of the crown, and the other scored entries that may take part."""

    former: Submission
    current: tuple[Submission, ...]
    replaced: tuple[Submission, ...]  # their hotkeys have committed again: they stay if they lead

    @property
    def keys(self) -> tuple[EntryKey, ...]:
        """All entries whose evidence is needed."""
        return tuple(s.commitment.key for s in (self.former, *self.current, *self.replaced))


def candidates_of(
    history: History,
    *,
    competition: CompetitionId,
    submissions: Mapping[EntryKey, Submission],
    sync_block: Block,
    metagraph: Metagraph,
    schedule: Schedule,
    book: CommitmentBook | None = None,
) -> Candidates | None:
    """Return the entries that may be scored again at ``sync_block``; ``None`` without a champion.

    There is no champion before the first crown. An entry is left out if its hotkey has committed to
    another competition, where it may win another crown. So is a replaced entry that had no turn for
    too long, see ``had_a_place``.
    """
    if history.former is None:
        return None
    newest = current_submissions(submissions.values(), sync_block, book)
    keys = {s.commitment.key for s in newest}
    elsewhere = {s.commitment.hotkey for s in newest if s.commitment.competition != competition}
    current, replaced = list[Submission](), list[Submission]()
    for submission in mark_duplicates(submissions.values(), entered=history.entered):
        key = submission.commitment.key
        if (
            submission.commitment.competition != competition
            or key == history.former
            or key.block > sync_block
            or not history.is_scored(submission)
            or is_out(submission, sync_block=sync_block, schedule=schedule, metagraph=metagraph)
        ):
            continue
        if key in keys:
            current.append(submission)
        elif key.hotkey not in elsewhere and had_a_place(history, key):
            replaced.append(submission)
    return Candidates(
        former=submissions[history.former], current=tuple(current), replaced=tuple(replaced)
    )


def contention_of(
    found: Candidates, evidence: Mapping[EntryKey, Evidence], comparer: Comparer
) -> Contention:
    """Return the entries that stay, by the evidence of earlier rounds.

    A replaced entry stays while it leads the champion by the margin or is behind by luck alone.
    Otherwise a copy of it would be crowned while it is gone (attack 56). If the limit were a lead
    of zero, an entry that is truly better would drop out at its first unlucky round, permanently,
    because no later round scores it: in simulations one of 10 such entries lost the crown to a
    clone, and none of 20 with ``STAYING_LEAD``.
    """
    champion = _contestant(found.former, evidence)
    may_stay = {s.commitment.key for s in found.replaced}
    rivals = [_contestant(s, evidence) for s in (*found.current, *found.replaced)]

    def leads(rival: Contestant) -> bool:
        found = comparer.measure(champion, rival)
        return found.sums.clears(comparer.epsilon_end) and not found.rests_on_few

    staying = [
        r
        for r in ranked(champion, rivals, comparer)
        if r.key not in may_stay or comparer.measure(champion, r).lead > STAYING_LEAD
    ]
    by_precedence = sorted(staying, key=lambda c: c.precedence)
    hopeful = [
        r for r in by_precedence if leads(r) or comparer.measure(champion, r).lead > STAYING_LEAD
    ]
    return Contention(
        former=champion.key,
        contenders=tuple(c.key for c in contenders(champion, staying, comparer)),
        leading=tuple(r.key for r in by_precedence if leads(r)),
        hopeful=tuple(r.key for r in distinct_first(champion, hopeful, comparer)),
    )


def _contestant(submission: Submission, evidence: Mapping[EntryKey, Evidence]) -> Contestant:
    key = submission.commitment.key
    return Contestant(
        key=key,
        precedence=precedence_of(submission),
        evidence=evidence.get(key, {}),
        since=submission.clock_block,
    )
