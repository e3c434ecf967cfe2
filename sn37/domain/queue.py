"""The entries of a round."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sn37.domain.commitment import CommitmentBook
from sn37.domain.duplicates import mark_duplicates
from sn37.domain.eligibility import MAX_FAILURES, Judgement, judge
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.metagraph import Metagraph
from sn37.domain.models import Availability
from sn37.domain.newcomers import turns_of
from sn37.domain.reasons import Reason
from sn37.domain.schedule import Schedule
from sn37.domain.state import NO_HISTORY, EntryResult, History, Submission, Verdict

_UNKNOWN: Mapping[EntryKey, Availability] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPlan:
    """Who is scored in a round, and why the others are not."""

    champion: EntryKey | None  # of the rounds before, when it is still eligible
    entries: tuple[EntryKey, ...]  # the champion first, the others by precedence
    listed: tuple[EntryResult, ...]  # the competition's other commitments, by precedence


def plan_entries(
    *,
    submissions: Iterable[Submission],
    competition: CompetitionId,
    schedule: Schedule,
    sync_block: Block,
    metagraph: Metagraph,
    champion: EntryKey | None,
    contenders: Collection[EntryKey],
    history: History = NO_HISTORY,
    hung: Collection[Hotkey] = (),
    availability: Mapping[EntryKey, Availability] = _UNKNOWN,
    book: CommitmentBook | None = None,
) -> EntryPlan:
    """The entries of one competition's round, from the chain at its sync block.

    The champion and the contenders stay in. Of the others, those that are to be evaluated take
    the schedule's ``max_new_entries`` places by ``newcomers.turns_of``, each group in order of
    precedence; who comes behind waits for a later round.

    Args:
        submissions: All that are known, replaced ones included: they count for duplicates.
        contenders: Entries besides the champion that are still gathering evidence.
        history: Of this competition's rounds; ``hung`` adds hotkeys that hung in any other.
        availability: Of repositories at the sync block, as far as known.
        book: The chain's records at the sync block; by default each hotkey's newest commitment.
    """
    known = mark_duplicates(submissions, entered=history.entered)
    staying, waiting = list[EntryKey](), list[Submission]()
    order, rows = list[EntryKey](), dict[EntryKey, EntryResult]()
    current = current_submissions(known, sync_block, book)
    for submission in (s for s in current if s.commitment.competition == competition):
        key = submission.commitment.key
        order.append(key)
        judgement = judge(
            submission,
            sync_block=sync_block,
            schedule=schedule,
            metagraph=metagraph,
            previous_challenge=history.previous_challenge(key),
            availability=availability.get(key),
            champion=key == champion,
        )
        if judgement.verdict is not None:
            rows[key] = _row(submission, judgement)
        elif key == champion or key in contenders:
            staying.append(key)
        elif evaluate_again(submission, history):
            waiting.append(submission)
            rows[key] = _row(submission, _queued(schedule.max_new_entries))
        else:
            rows[key] = _row(submission, _SCORED_BEFORE)
    chosen = {*staying, *_placed(waiting, history, {*hung, *history.hung}, schedule)}
    entries = sorted((key for key in order if key in chosen), key=lambda key: key != champion)
    return EntryPlan(
        champion=champion if champion in staying else None,
        entries=tuple(entries),
        listed=tuple(row for key, row in rows.items() if key not in chosen),
    )


def evaluate_again(submission: Submission, history: History) -> bool:
    """Whether an entry that is neither champion nor contender is to be evaluated.

    Never scored: yes, also after failures of ours, and once more after one of the model's.
    Scored: only as a contender, since every evaluation beyond is a ticket in a lottery.
    Retired: never.
    """
    return (
        submission.commitment.key not in history.scored
        and submission.failures < MAX_FAILURES
        and not submission.retired
    )


def current_submissions(
    submissions: Iterable[Submission], block: Block, book: CommitmentBook | None = None
) -> tuple[Submission, ...]:
    """One submission per hotkey, that of its newest record at ``block``, by precedence.

    The chain holds one record per hotkey and subnet, so a commitment to another competition
    replaces the one before as well.
    """
    newest: dict[Hotkey, Submission] = {}
    ordered = sorted(submissions, key=lambda s: s.commitment.precedence)
    for submission in ordered:
        commitment = submission.commitment
        if commitment.block > block:
            continue
        if book is not None:
            record = book.well_formed.get(commitment.hotkey)
            if record is None or record.key != commitment.key:
                continue
        newest[commitment.hotkey] = submission
    return tuple(sorted(newest.values(), key=lambda s: s.commitment.precedence))


def _placed(
    waiting: Sequence[Submission], history: History, hung: Collection[Hotkey], schedule: Schedule
) -> list[EntryKey]:
    """Who of those that wait for their first round gets one of the places."""
    turns = turns_of(waiting, postponed=history.postponed, hung=hung)
    return [s.commitment.key for s in turns.in_order[: schedule.max_new_entries]]


_SCORED_BEFORE = Judgement(
    verdict=Verdict.WAITING, reason=Reason.QUEUED, detail="scored before, behind the contenders"
)


def _queued(num_before: int) -> Judgement:
    return Judgement(
        verdict=Verdict.WAITING, reason=Reason.QUEUED, detail=f"behind {num_before} others"
    )


def _row(submission: Submission, judgement: Judgement) -> EntryResult:
    return EntryResult(
        key=submission.commitment.key,
        repo=submission.commitment.model.repo,
        verdict=judgement.verdict or Verdict.WAITING,
        reason=judgement.reason,
        detail=judgement.detail,
    )
