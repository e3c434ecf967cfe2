"""Whether a commitment takes part in a round: one pure function, one verdict, one reason.

Everything here is a function of the chain at the sync block and of recorded facts; who asks,
when, and in which order submissions became known make no difference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sn37.domain.ids import Block
from sn37.domain.metagraph import Metagraph
from sn37.domain.reasons import Blame, Reason
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.constraints import ModelFacts, violations
from sn37.domain.submission.models import Availability
from sn37.domain.submission.submission import Submission, Verdict

MAX_FAILURES = 2  # the second evaluation that fails by the model's fault is the last
# A champion is not ended by time before so many rounds of it in a row: 3.6 hours.
MAX_CHAMPION_TIMEOUTS = 3
# In so many rounds in a row it is ours that a worker stands still while the machine does not.
MAX_STALLS = 2
MAX_MISSED_ROUNDS = 2  # after so many unreadable rounds a clock restarts, a crown passes on
CHALLENGE_BLOCKS = 7_200  # a day: one hotkey begins one challenge per competition in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """``verdict`` is ``None`` for an eligible commitment, else why it is not."""

    verdict: Verdict | None = None
    reason: Reason | None = None
    detail: str = ""

    @property
    def eligible(self) -> bool:
        return self.verdict is None


ELIGIBLE = Judgement()


def judge(
    submission: Submission,
    *,
    sync_block: Block,
    schedule: Schedule,
    metagraph: Metagraph,
    previous_challenge: Block | None = None,
    availability: Availability | None = None,
    champion: bool = False,
    held: bool = False,
) -> Judgement:
    """Whether a commitment may be scored in the round of ``sync_block``.

    The lasting reasons come first, so that a miner is not told to wait for what will never
    be. A model that is public but not yet downloaded is eligible: the entries of a round are
    fixed by the chain, and the files may follow until ``RoundTiming.files_grace``.

    Args:
        submission: Of the hotkey's newest commitment, with ``duplicate_of`` up to date.
        metagraph: Of this subnet at ``sync_block``.
        previous_challenge: Sync block at which another commitment of the same hotkey began
            its challenge, see ``history.History.previous_challenge``.
        availability: Of the repository at ``sync_block``; ``None`` when it is not known.
        champion: Its age and tickets were checked when it came, and it keeps the crown for
            ``MAX_MISSED_ROUNDS`` rounds with an unreadable repository (attack 28).
        held: It was scored since its clock began. Its files are here, so it is scored for as many
            rounds whatever its repository shows: the draw is public before repositories are
            asked for, and it must not choose its rounds (attack 55).
    """
    competition = schedule.competition(submission.commitment.competition, sync_block)
    if competition is None:
        return _inactive(f"competition {submission.commitment.competition} does not run")
    lasting = _lasting(submission, competition, schedule, metagraph)
    if lasting is not None:
        return lasting
    if champion:
        return _unreadable_too_long(submission, availability) or ELIGIBLE
    if availability is not Availability.PRIVATE:
        submission = restart_clock(submission, sync_block, held=held)
    return (
        _too_many_challenges(previous_challenge, sync_block)
        or _too_early(submission, competition, schedule, sync_block)
        or (_unreadable_too_long if held else _unreadable)(submission, availability)
        or ELIGIBLE
    )


def is_out(
    submission: Submission, *, sync_block: Block, schedule: Schedule, metagraph: Metagraph
) -> bool:
    """Whether an entry cannot take part in the round of ``sync_block``, whatever its repository
    shows then: for a lasting reason, or since it was unreadable for too long before."""
    competition = schedule.competition(submission.commitment.competition, sync_block)
    return (
        competition is None
        or submission.missed_rounds > MAX_MISSED_ROUNDS
        or _lasting(submission, competition, schedule, metagraph) is not None
    )


def _lasting(
    submission: Submission, competition: Competition, schedule: Schedule, metagraph: Metagraph
) -> Judgement | None:
    return (
        _spent(submission)
        or _outside(submission, schedule, metagraph)
        or _repeats(submission)
        or _breaks_limits(submission, competition)
    )


def record_failure(
    submission: Submission,
    reason: Reason,
    detail: str,
    *,
    num_timeouts: int = 0,
    champion: bool = False,
) -> Submission:
    """The submission after an evaluation that failed. Our own failures leave no trace.

    One retry after a failure that was the model's; the second one is for good. See
    ``failures_after``.
    """
    failures = failures_after(
        submission.failures, reason, num_timeouts=num_timeouts, champion=champion
    )
    if failures == submission.failures:
        return submission
    return replace(
        submission,
        failures=failures,
        rejection=reason if failures >= MAX_FAILURES else submission.rejection,
        detail=detail,
    )


def forgive_failures(submission: Submission) -> Submission:
    """The submission after a round in which it was scored."""
    return replace(submission, failures=0, detail="") if submission.failures else submission


def failures_after(
    failures: int, reason: Reason, *, num_timeouts: int = 0, champion: bool = False
) -> int:
    """Failures that count against an entry after an evaluation that failed.

    Args:
        num_timeouts: Rounds since it was last scored that ended by ``timeout`` for it, without
            this one.
        champion: It held the crown before the round. It was scored well then, so time alone does
            not end it before it has run out ``MAX_CHAMPION_TIMEOUTS`` times in a row.
    """
    if reason.blame is not Blame.MINER:
        return failures
    if reason is Reason.UNDEFENDED:
        return MAX_FAILURES
    if champion and reason is Reason.TIMEOUT:
        return MAX_FAILURES if num_timeouts + 1 >= MAX_CHAMPION_TIMEOUTS else failures
    return failures + 1


def missed_round(submission: Submission) -> Submission:
    """The submission after a round in which its repository could not be read."""
    return replace(submission, missed_rounds=submission.missed_rounds + 1)


def attended_round(submission: Submission) -> Submission:
    """The submission after a round at whose sync block its repository could be read."""
    return replace(submission, missed_rounds=0)


def restart_clock(submission: Submission, seen_public: Block, *, held: bool = False) -> Submission:
    """The submission whose repository is seen public at a block.

    After ``MAX_MISSED_ROUNDS`` its age counts from here, and with it its evidence: who publishes
    when the samples suit him waits the whole delay again (attack 41). One that is held was scored
    in those rounds all the same; it restarts after one more, from which it was left out. Before
    that nothing changes; only ``attended_round`` forgives a missed round, not a glimpse between
    two rounds.
    """
    if submission.missed_rounds < MAX_MISSED_ROUNDS + held:
        return submission
    clock = max(submission.clock_block, seen_public)
    return replace(submission, clock_block=clock, missed_rounds=0)


def _inactive(detail: str) -> Judgement:
    return Judgement(verdict=Verdict.REJECTED, reason=Reason.INACTIVE_COMPETITION, detail=detail)


def _spent(submission: Submission) -> Judgement | None:
    """Refused, failed or beaten for good."""
    if submission.failures >= MAX_FAILURES:
        return Judgement(
            verdict=Verdict.FAILED,
            reason=submission.rejection or Reason.UNLOADABLE,
            detail=submission.detail,
        )
    if submission.rejection is not None:
        return Judgement(
            verdict=Verdict.REJECTED, reason=submission.rejection, detail=submission.detail
        )
    if submission.retired:
        return Judgement(
            verdict=Verdict.REJECTED,
            reason=Reason.RACED_OUT,
            detail="its losses so far show that it cannot win; commit another model",
        )
    return None


def _outside(submission: Submission, schedule: Schedule, metagraph: Metagraph) -> Judgement | None:
    """Committed for a competition that did not run, or by no member of the subnet."""
    commitment = submission.commitment
    if schedule.competition(commitment.competition, commitment.block) is None:
        return _inactive(
            f"competition {commitment.competition} did not run at block {commitment.block}"
        )
    neuron = metagraph.find(commitment.hotkey)
    if neuron is None:
        return Judgement(
            verdict=Verdict.REJECTED,
            reason=Reason.NOT_REGISTERED,
            detail=f"not registered at block {metagraph.at.number}",
        )
    if neuron.registered_at > commitment.block:
        return Judgement(
            verdict=Verdict.REJECTED,
            reason=Reason.REGISTERED_LATER,
            detail=f"committed at block {commitment.block}, registered at {neuron.registered_at}",
        )
    return None


def _repeats(submission: Submission) -> Judgement | None:
    original = submission.duplicate_of
    if original is None:
        return None
    return Judgement(
        verdict=Verdict.DUPLICATE,
        reason=Reason.DUPLICATE,
        detail=f"same tensors as {original.hotkey} at block {original.block}",
    )


def _breaks_limits(submission: Submission, competition: Competition) -> Judgement | None:
    """The limits at the sync block, which may be others than when the model was fetched."""
    if submission.artifact is None:
        return None
    broken = violations(ModelFacts.of(submission.artifact), competition.constraints)
    if not broken:
        return None
    return Judgement(verdict=Verdict.REJECTED, reason=broken[0].reason, detail=broken[0].detail)


def _too_many_challenges(previous: Block | None, sync_block: Block) -> Judgement | None:
    if previous is None or sync_block - previous >= CHALLENGE_BLOCKS:
        return None
    return Judgement(
        verdict=Verdict.WAITING,
        reason=Reason.CHALLENGE_LIMIT,
        detail=f"challenged at block {previous}, again from block {previous + CHALLENGE_BLOCKS}",
    )


def _too_early(
    submission: Submission,
    competition: Competition,
    schedule: Schedule,
    sync_block: Block,
) -> Judgement | None:
    due = Block(submission.clock_block + competition.delay_blocks)
    if due <= sync_block:
        return None
    first = schedule.timing.next_sync_block(Block(due - 1))
    return Judgement(
        verdict=Verdict.WAITING,
        reason=Reason.TOO_EARLY,
        detail=f"old enough at block {due}, in the round of block {first}",
    )


def _unreadable(submission: Submission, availability: Availability | None) -> Judgement | None:
    if availability is Availability.PRIVATE:
        return Judgement(
            verdict=Verdict.WAITING,
            reason=Reason.NOT_PUBLIC,
            detail=f"{submission.commitment.model.repo} could not be read at the sync block",
        )
    if availability is None and submission.artifact is None:
        return Judgement(
            verdict=Verdict.WAITING,
            reason=Reason.HUB_UNAVAILABLE,
            detail=f"{submission.commitment.model.repo} has not been fetched yet",
        )
    return None


def _unreadable_too_long(
    submission: Submission, availability: Availability | None
) -> Judgement | None:
    missed = submission.missed_rounds
    if availability is not Availability.PRIVATE or missed < MAX_MISSED_ROUNDS:
        return None
    return Judgement(
        verdict=Verdict.WAITING,
        reason=Reason.UNAVAILABLE_REPO,
        detail=f"{submission.commitment.model.repo} was unreadable in {missed} rounds before",
    )
