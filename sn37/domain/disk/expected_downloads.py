"""Expected downloads: the models that the next rounds need, the soonest first.

Miners can commit more models than fit on any disk (attack 40). So downloads are limited to the
models that rounds take: ``max_new_entries`` of each of the next ``ROUNDS_AHEAD`` rounds of a
competition.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.metagraph import Metagraph
from sn37.domain.round.round_entries import admitted, current_submissions, evaluate_again
from sn37.domain.round.state import NO_HISTORY, History, OpenRound
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.duplicates import duplicates_of
from sn37.domain.submission.eligibility import judge
from sn37.domain.submission.models import Availability
from sn37.domain.submission.submission import Submission

# 72 to 144 minutes on the public network, for at most 40 models per competition. A model of
# 15 GiB takes two minutes at 1 Gbit/s.
ROUNDS_AHEAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A submission whose files will be needed, and the round that needs them."""

    submission: Submission
    sync_block: Block

    @property
    def key(self) -> EntryKey:
        return self.submission.commitment.key


def expected_entries(
    submissions: Iterable[Submission],
    *,
    schedule: Schedule,
    block: Block,
    metagraph: Metagraph,
    histories: Mapping[CompetitionId, History],
    open_rounds: Iterable[OpenRound] = (),
    unreadable: Collection[EntryKey] = (),
    rounds_ahead: int = ROUNDS_AHEAD,
) -> tuple[Expected, ...]:
    """Return the entries of the open rounds, then the new ones of the next rounds in order.

    Within a round they are in order of precedence. Each of the next rounds is filled as
    ``round_entries.plan_entries`` will fill it, as far as is known at ``block``. An entry is
    expected only in the first round that has a place for it.

    Args:
        submissions: All known submissions of all competitions, replaced ones included.
        metagraph: Of this subnet at ``block``.
        histories: Of each competition's recorded rounds.
        unreadable: Repositories that could not be read at the last attempt. As long as their
            files are not here, they take no place and do not delay entries behind them.
    """
    known = tuple(submissions)
    found = list(_under_way(known, open_rounds))
    taken = {expected.key for expected in found}
    absent = {
        s.commitment.key for s in known if s.artifact is None and s.commitment.key in unreadable
    }
    sync = schedule.timing.sync_block(block)
    for ahead in range(1, rounds_ahead + 1):
        upcoming = Block(sync + ahead * schedule.timing.cadence)
        coming = [
            Expected(submission=submission, sync_block=upcoming)
            for competition in schedule.at(upcoming)
            for submission in _new_entries(
                known,
                competition=competition.id,
                schedule=schedule,
                sync_block=upcoming,
                metagraph=metagraph,
                history=histories.get(competition.id, NO_HISTORY),
                leave_out=taken | absent,
            )
        ]
        coming.sort(key=lambda expected: expected.submission.commitment.precedence)
        found += coming
        taken |= {expected.key for expected in coming}
    return tuple(found)


def _under_way(known: Iterable[Submission], open_rounds: Iterable[OpenRound]) -> list[Expected]:
    by_key = {submission.commitment.key: submission for submission in known}
    found = [
        Expected(submission=by_key[key], sync_block=opened.plan.key.sync_block)
        for opened in open_rounds
        for key in opened.plan.entries
        if key in by_key and key not in opened.outcomes
    ]
    return sorted(found, key=lambda e: (e.sync_block, e.submission.commitment.precedence))


def _new_entries(
    known: Iterable[Submission],
    *,
    competition: CompetitionId,
    schedule: Schedule,
    sync_block: Block,
    metagraph: Metagraph,
    history: History,
    leave_out: Collection[EntryKey],
) -> list[Submission]:
    """Return the entries that would take the round's new places, by precedence."""
    copies = duplicates_of(known, entered=history.entered)
    found: list[Submission] = []
    for submission in current_submissions(known, sync_block):
        key = submission.commitment.key
        if submission.commitment.competition != competition or key in leave_out:
            continue
        if key in copies or not evaluate_again(submission, history):
            continue
        judgement = judge(
            submission,
            sync_block=sync_block,
            schedule=schedule,
            metagraph=metagraph,
            previous_challenge=history.previous_challenge(key, submission.clock_block),
            availability=Availability.PUBLIC,
        )
        if judgement.eligible:
            found.append(submission)
    taken = admitted(found, history, schedule.max_new_entries)
    return [s for s in found if s.commitment.key in taken]
