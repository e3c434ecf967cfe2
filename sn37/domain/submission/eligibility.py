"""Eligibility of a commitment for a round: one pure function, one verdict, one reason.

All results depend only on the chain at the sync block and on recorded facts. The caller, the
time, and the order in which submissions became known make no difference.
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
# A champion is not removed for timeouts before this many in a row: 3.6 hours.
MAX_CHAMPION_TIMEOUTS = 3
# Up to this many rounds in a row, a worker that stalls on a running machine is the validator's
# fault.
MAX_STALLS = 2
MAX_MISSED_ROUNDS = 2  # after this many unreadable rounds a clock restarts, a crown passes on
CHALLENGE_BLOCKS = 7_200  # a day: one hotkey starts one challenge per competition in this time


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Judgement on one commitment; ``verdict`` is ``None`` if it is eligible."""

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
    """Judge whether a commitment may be scored in the round of ``sync_block``.

    Lasting reasons are checked first, so that no miner waits in vain. A model that is public
    but not yet downloaded is eligible: the chain fixes the entries of a round, and the files may
    follow until ``RoundTiming.files_grace``.

    Args:
        submission: Of the hotkey's newest commitment, with ``duplicate_of`` up to date.
        metagraph: Of this subnet at ``sync_block``.
        previous_challenge: Sync block at which another commitment of the same hotkey began
            its challenge, see ``history.History.previous_challenge``.
        availability: Of the repository at ``sync_block``; ``None`` when it is not known.
        champion: The entry is the champion. Its age and challenges were checked when it entered,
            and it keeps the crown for ``MAX_MISSED_ROUNDS`` rounds with an unreadable repository
            (attack 28).
        held: The entry was scored since its clock began, so its files are here. It is scored for
            the same number of rounds even if its repository is unreadable. The draw is public
            before repositories are checked, and a miner must not choose its rounds (attack 55).
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
    """True if an entry cannot take part in the round even if its repository is readable then.

    It has a lasting reason, or its repository was unreadable for too many rounds before.
    """
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
    """Return the submission after a failed evaluation. The validator's own failures do not count.

    After a first failure by the model's fault there is one retry; the second failure is final.
    See ``failures_after``.
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
    """Return the submission after a round in which it was scored."""
    return replace(submission, failures=0, detail="") if submission.failures else submission


def failures_after(
    failures: int, reason: Reason, *, num_timeouts: int = 0, champion: bool = False
) -> int:
    """Return the failures that count against an entry after a failed evaluation.

    Args:
        num_timeouts: Number of earlier rounds since its last score that ended with ``timeout``.
        champion: It held the crown before the round. It was scored well in the past, so timeouts
            alone do not remove it before ``MAX_CHAMPION_TIMEOUTS`` of them in a row.
    """
    if reason.blame is not Blame.MINER:
        return failures
    if reason is Reason.UNDEFENDED:
        return MAX_FAILURES
    if champion and reason is Reason.TIMEOUT:
        return MAX_FAILURES if num_timeouts + 1 >= MAX_CHAMPION_TIMEOUTS else failures
    return failures + 1


def missed_round(submission: Submission) -> Submission:
    """Return the submission after a round in which its repository could not be read."""
    return replace(submission, missed_rounds=submission.missed_rounds + 1)


def attended_round(submission: Submission) -> Submission:
    """Return the submission after a round at whose sync block its repository could be read."""
    return replace(submission, missed_rounds=0)


def restart_clock(submission: Submission, seen_public: Block, *, held: bool = False) -> Submission:
    """Return the submission after its repository was seen public at a block.

    After ``MAX_MISSED_ROUNDS`` missed rounds, its age and evidence count from this block: a miner
    that publishes when the samples suit it waits the whole delay again (attack 41). A held
    submission was scored in those rounds anyway; it restarts after one more missed round, in which
    it was not scored. Before that nothing changes: only ``attended_round`` forgives a missed
    round, not a repository that is public between two rounds.
    """
    if submission.missed_rounds < MAX_MISSED_ROUNDS + held:
        return submission
    clock = max(submission.clock_block, seen_public)
    return replace(submission, clock_block=clock, missed_rounds=0)


def _inactive(detail: str) -> Judgement:
    return Judgement(verdict=Verdict.REJECTED, reason=Reason.INACTIVE_COMPETITION, detail=detail)


def _spent(submission: Submission) -> Judgement | None:
    """Judge a submission that was refused, failed or beaten permanently."""
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
    """Judge a commitment to a competition that did not run, or by a hotkey outside the subnet."""
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
    """Judge the model by the limits at the sync block; they may have changed since its fetch."""
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
