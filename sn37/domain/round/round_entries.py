"""Entries of a round: the champion, contenders, newcomers, and others in free places."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.metagraph import Metagraph
from sn37.domain.reasons import Reason
from sn37.domain.round.newcomers import is_round_of_unlucky, turns_of
from sn37.domain.round.state import NO_HISTORY, EntryResult, History
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.commitment import CommitmentBook
from sn37.domain.submission.duplicates import mark_duplicates
from sn37.domain.submission.eligibility import MAX_FAILURES, Judgement, judge
from sn37.domain.submission.models import Availability
from sn37.domain.submission.submission import Submission, Verdict

# Largest number of entries, besides contenders, in places that newcomers leave free. Entries that
# lead by a hair may hold the contenders' places for days. Meanwhile a better entry is scored here,
# before later copies of it are proven.
MAX_HOPEFUL = 16
# One in so many of a round's places is kept for these entries: four of twenty. Newcomers that wait
# hold places for which there may be no time, and would leave none otherwise.
PLACES_PER_HOPEFUL = 5

_UNKNOWN: Mapping[EntryKey, Availability] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPlan:
    """Entries that a round scores, and why it does not score the others."""

    # The previous round's, if it is still eligible; else the heir of the vacant crown.
    champion: EntryKey | None
    entries: tuple[EntryKey, ...]  # the champion first, the others by precedence
    listed: tuple[EntryResult, ...]  # the competition's other commitments, by precedence
    awaited: tuple[EntryKey, ...] = ()  # leaders without a place, by precedence
    is_heir: bool = False  # the champion did not hold the crown before
    contenders: tuple[EntryKey, ...] = ()  # of the entries, by precedence, without the champion


@dataclass(frozen=True, slots=True, kw_only=True)
class Contention:
    """Entries that may still take the crown, by the evidence of earlier rounds."""

    former: EntryKey | None = None  # current or last holder of the crown
    contenders: tuple[EntryKey, ...] = ()  # entries that stay, the heir first
    leading: tuple[EntryKey, ...] = ()  # all that lead ``former`` by the margin
    # Entries that may get a place that newcomers leave free: they lead or are behind by luck alone.
    # Copies come after originals.
    hopeful: tuple[EntryKey, ...] = ()


NO_CONTENTION = Contention()


def plan_entries(
    *,
    submissions: Iterable[Submission],
    competition: CompetitionId,
    schedule: Schedule,
    sync_block: Block,
    metagraph: Metagraph,
    contention: Contention = NO_CONTENTION,
    history: History = NO_HISTORY,
    hung: Collection[Hotkey] = (),
    availability: Mapping[EntryKey, Availability] = _UNKNOWN,
    book: CommitmentBook | None = None,
) -> EntryPlan:
    """Return the entries of one competition's round, from the chain at its sync block.

    The champion and the contenders stay, replaced ones too. The first eligible contender inherits
    a vacant crown. New entries take the other places, see ``admitted``, and hopeful entries the
    rest. Without a ``book`` each hotkey's newest commitment counts.
    """
    taking_part = _taking_part(submissions, competition, sync_block, contention, history, book)
    staying, listed = set[EntryKey](), dict[EntryKey, EntryResult]()
    waiting, spare = list[Submission](), set[EntryKey]()
    for submission in taking_part:
        key = submission.commitment.key
        judgement = judge(
            submission,
            sync_block=sync_block,
            schedule=schedule,
            metagraph=metagraph,
            previous_challenge=history.previous_challenge(key, submission.clock_block),
            availability=availability.get(key),
            champion=key == history.champion,
            held=history.is_scored(submission),
        )
        if not judgement.eligible:
            listed[key] = _row(submission, judgement)
        elif key == history.champion or key in contention.contenders:
            staying.add(key)
        elif evaluate_again(submission, history):
            waiting.append(submission)
        else:
            listed[key] = _row(submission, _queued("scored before, behind the contenders"))
            spare.add(key)
    places, hung = schedule.max_new_entries, {*hung, *history.hung}
    free = [k for k in contention.hopeful if k in spare][:MAX_HOPEFUL]
    new = admitted(waiting, history, places, hung=hung, num_hopeful=len(free))
    staying |= _in_free_places(free, history, places - len(new), hung)
    listed |= {s.commitment.key: _behind(s, len(new)) for s in waiting}
    order = [s.commitment.key for s in taking_part]
    champion = _defender(staying, history, contention, availability)
    entries = sorted((k for k in order if k in staying | new), key=lambda k: k != champion)
    return EntryPlan(
        champion=champion,
        entries=tuple(entries),
        listed=tuple(listed[k] for k in order if k not in entries),
        awaited=_awaited(contention, entries, listed),
        is_heir=champion != history.champion,
        contenders=tuple(k for k in entries if k in contention.contenders and k != champion),
    )


def _in_free_places(
    hopeful: Sequence[EntryKey], history: History, room: int, hung: Collection[Hotkey]
) -> frozenset[EntryKey]:
    """Return the entries that get one of ``room`` places.

    Half of the places go by order, so that originals come before copies, half to the entries whose
    last turn is longest ago. So each has a place in time, however few there are. Those whose hotkey
    hung come last, because their turn does.
    """
    by_order = sorted(hopeful, key=lambda k: k.hotkey in hung)
    by_rest = sorted(by_order, key=lambda k: (k.hotkey in hung, history.last_turn(k)))
    return frozenset([*dict.fromkeys((*by_order[: room // 2], *by_rest))][:room])


def _defender(
    staying: Collection[EntryKey],
    history: History,
    contention: Contention,
    availability: Mapping[EntryKey, Availability],
) -> EntryKey | None:
    """Return the champion, or the first contender that may inherit a vacant crown."""
    heirs = [k for k in contention.contenders if availability.get(k) is not Availability.PRIVATE]
    return next((k for k in (history.champion, *heirs) if k in staying), None)


def _awaited(
    contention: Contention, entries: Sequence[EntryKey], listed: Mapping[EntryKey, EntryResult]
) -> tuple[EntryKey, ...]:
    """Return the leaders that got no place, without those that may not take part."""
    queued = {k for k, row in listed.items() if row.reason is Reason.QUEUED}
    return tuple(
        k for k in contention.leading if k not in entries and (k in queued or k not in listed)
    )


def _taking_part(
    submissions: Iterable[Submission],
    competition: CompetitionId,
    sync_block: Block,
    contention: Contention,
    history: History,
    book: CommitmentBook | None,
) -> list[Submission]:
    """Return the current commitments to the competition, and replaced ones that keep their place.

    A champion keeps its place if its hotkey committed again before it was crowned. A hotkey that
    commits after that gives the crown up.
    """
    known = mark_duplicates(submissions, entered=history.entered)
    current = current_submissions(known, sync_block, book)
    newest = {s.commitment.hotkey: s.commitment.block for s in current}
    if book is not None:
        newest |= {hotkey: record.block for hotkey, record in book.malformed.items()}
    replaced = {*contention.contenders, *contention.hopeful}
    champion, crowned_at = history.champion, history.crowned_at
    if champion and crowned_at and newest.get(champion.hotkey, sync_block) <= crowned_at:
        replaced.add(champion)
    found = {s.commitment.key: s for s in current if s.commitment.competition == competition}
    found |= {s.commitment.key: s for s in known if s.commitment.key in replaced}
    return sorted(found.values(), key=precedence_of)


def precedence_of(submission: Submission) -> tuple[int, int, str]:
    """Return the key of the order of precedence: clock block, extrinsic index, hotkey."""
    _, index, hotkey = submission.commitment.precedence
    return (submission.clock_block, index, hotkey)


def admitted(
    waiting: Sequence[Submission],
    history: History,
    places: int,
    *,
    hung: Collection[Hotkey] = (),
    num_hopeful: int = 0,
) -> frozenset[EntryKey]:
    """Return the entries that get one of the places, of those that wait for their first round.

    Entries that had a place in the round before, but no time, come first. Half of the other places
    go by age, half to the hotkeys that never challenged, or not for the longest time: neither a
    backlog of copies nor a crowd of fresh hotkeys delays an honest entry for long. Hotkeys whose
    last model was nearly another entry's come after the others. Then come entries that failed by
    the validator's fault, and last those whose hotkey hung. In every fourth round the first place
    goes to the entry whose failure by the validator's fault is longest ago.
    """

    def is_copier(submission: Submission) -> bool:
        return submission.commitment.hotkey in history.copiers

    def rest(submission: Submission) -> int:
        last = history.last_challenge(submission.commitment.hotkey)
        return -1 if last is None else last

    by_age = sorted(waiting, key=lambda s: (is_copier(s), precedence_of(s)))
    turns = turns_of(
        by_age,
        postponed=history.postponed,
        hung={*hung, *history.hung},
        unlucky=history.unlucky,
    )
    first = turns.unlucky[:1] if is_round_of_unlucky(history) else ()
    kept = min(num_hopeful, max(places // PLACES_PER_HOPEFUL, 1 - history.num_judged % 2))
    ours = places - kept
    left = max(ours - len(first) - len(turns.postponed), 0)
    by_rest = sorted(turns.others, key=lambda s: (is_copier(s), rest(s), precedence_of(s)))
    order = (*first, *turns.postponed, *turns.others[: left // 2], *by_rest)
    prompt = list(dict.fromkeys(s.commitment.key for s in order))[:ours]
    late = [s.commitment.key for s in (*turns.unlucky, *turns.hung)]
    unwanted = max(places - num_hopeful - len(prompt), 0)
    return frozenset((*prompt, *[k for k in late if k not in prompt][:unwanted]))


def evaluate_again(submission: Submission, history: History) -> bool:
    """True if an entry that is neither champion nor contender is to be evaluated.

    An entry that was never scored is: also after failures of the validator, and once more after a
    failure of the model. A scored entry is evaluated only as a contender, because each further
    evaluation would be a ticket in a lottery. A retired entry is never evaluated.
    """
    return (
        not history.is_scored(submission)
        and submission.failures < MAX_FAILURES
        and not submission.retired
    )


def current_submissions(
    submissions: Iterable[Submission], block: Block, book: CommitmentBook | None = None
) -> tuple[Submission, ...]:
    """Return one submission per hotkey, that of its newest record at ``block``, by precedence.

    The chain holds one record per hotkey and subnet, so a commitment to another competition
    replaces the previous one too.
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


def _behind(submission: Submission, num_others: int) -> EntryResult:
    return _row(submission, _queued(f"behind {num_others} others"))


def _queued(why: str) -> Judgement:
    return Judgement(verdict=Verdict.WAITING, reason=Reason.QUEUED, detail=why)


def _row(submission: Submission, judgement: Judgement) -> EntryResult:
    return EntryResult(
        key=submission.commitment.key,
        repo=submission.commitment.model.repo,
        verdict=judgement.verdict or Verdict.WAITING,
        reason=judgement.reason,
        detail=judgement.detail,
    )
