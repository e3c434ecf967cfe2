"""Outcomes of a round: the rows of its table, its result, and the changes that follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

from sn37.app.rounds.setting_aside import NO_CROWN
from sn37.app.rounds.state_keeper import Change
from sn37.domain.events import Dependency
from sn37.domain.ids import EntryKey
from sn37.domain.reasons import Blame, Reason
from sn37.domain.round.defences import missed_after
from sn37.domain.round.evidence import (
    LOG_EVEN_LEVEL,
    LOG_LEVEL,
    LOG_PLAIN_LEVEL,
    task_scores,
    total_score,
)
from sn37.domain.round.state import (
    NO_HISTORY,
    EntryOutcome,
    EntryResult,
    History,
    OpenRound,
    RoundPlan,
    RoundResult,
    ScoredLater,
)
from sn37.domain.round.winner import Comparison, Decision, Hurdle
from sn37.domain.schedule.competition import Competition
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.submission.duplicates import duplicates_of
from sn37.domain.submission.eligibility import (
    MAX_MISSED_ROUNDS,
    MAX_STALLS,
    attended_round,
    forgive_failures,
    missed_round,
    record_failure,
    restart_clock,
)
from sn37.domain.submission.submission import Submission, Verdict
from sn37.ports.errors import ScorerUnavailable, Unavailable


def missing_outcome(
    key: EntryKey, submissions: Mapping[EntryKey, Submission], entered: Collection[EntryKey]
) -> EntryOutcome | None:
    """Return why an entry that the chain admitted cannot be scored, or ``None`` if it can.

    Since the sync block its files were checked: they may break a rule, be a copy of an earlier
    entry's, or be missing, which is the validator's fault. ``entered`` are the entries that have
    been in a round, see ``History.entered``.
    """
    submission = submissions[key]
    if submission.rejection is not None:
        return EntryOutcome(
            key=key,
            verdict=Verdict.REJECTED,
            reason=submission.rejection,
            detail=submission.detail,
        )
    if submission.artifact is None:
        return EntryOutcome(
            key=key,
            verdict=Verdict.FAILED,
            reason=Reason.HUB_UNAVAILABLE,
            detail=f"{submission.commitment.model.repo} could not be fetched in time",
        )
    original = duplicates_of(submissions.values(), entered=entered).get(key)
    if original is None:
        return None
    return EntryOutcome(
        key=key,
        verdict=Verdict.DUPLICATE,
        reason=Reason.DUPLICATE,
        detail=f"same tensors as {original.hotkey} committed at block {original.block}",
    )


def our_failure(key: EntryKey, error: Unavailable, *, num_stalls: int = 0) -> EntryOutcome:
    """Return the outcome of an entry that could not be scored by the validator's fault.

    It keeps its place, unless its worker stalled too often: also in ``MAX_STALLS`` rounds before
    this one, without being scored since.
    """
    reason = error.reason if isinstance(error, ScorerUnavailable) else Reason.HUB_UNAVAILABLE
    if reason is Reason.STALLED and num_stalls >= MAX_STALLS:
        detail = f"{error}; the same happened in {num_stalls} earlier rounds"
        return EntryOutcome(key=key, verdict=Verdict.FAILED, reason=Reason.TIMEOUT, detail=detail)
    return EntryOutcome(key=key, verdict=Verdict.FAILED, reason=reason, detail=str(error))


def postponed(key: EntryKey, *, is_new: bool) -> EntryOutcome:
    """Return the outcome of an entry for which the limited time of the round was used up."""
    then = "it comes first in the next" if is_new else "its earlier samples still count"
    return EntryOutcome(
        key=key,
        verdict=Verdict.WAITING,
        reason=Reason.QUEUED,
        detail=f"no time was left for it in this round; {then}",
    )


def entry_result(
    submission: Submission,
    outcome: EntryOutcome,
    blocks: tuple[BlockLosses, ...],
    rules: Competition,
    *,
    on_curve: bool = False,
) -> EntryResult:
    """Return one row of the round's table; a score needs at least one sample of every task.

    Rounds of the first rule show scores ``on_curve``, see ``task_scores``.
    """
    row = EntryResult(
        key=outcome.key,
        repo=submission.commitment.model.repo,
        verdict=outcome.verdict,
        reason=outcome.reason,
        detail=outcome.detail,
    )
    covered = {b.block.task for b in blocks} == {t.name for t in rules.tasks}
    if outcome.verdict is not Verdict.SCORED or not covered:
        return row
    scores = task_scores(blocks, rules, on_curve=on_curve)
    return replace(
        row,
        score=total_score(scores),
        tasks=scores,
        num_samples=sum(len(b.losses) for b in blocks),
    )


def round_result(
    opened: OpenRound,
    rules: Competition,
    submissions: Mapping[EntryKey, Submission],
    decision: Decision,
    resembles: Mapping[EntryKey, EntryKey] | None,
) -> RoundResult:
    """Return the finished round: scored entries from the best on, then the others.

    Args:
        resembles: For each entry that is almost an earlier entry's model, the earlier entry;
            ``None`` if that was not checked.
    """
    plan = opened.plan
    why = {
        c.challenger: "took the crown, and lost it in the same round"
        if c.taken and c.challenger != decision.champion
        else explain(c)
        for c in decision.comparisons
    }
    if plan.champion is not None and plan.champion in plan.unreadable:
        why[plan.champion] = _grace(submissions[plan.champion])
    rows = [
        entry_result(
            submissions[key],
            outcome if outcome.detail else replace(outcome, detail=why.get(key, "")),
            opened.journal.get(key, ()),
            rules,
            on_curve=plan.premises is None,
        )
        for key, outcome in opened.outcomes.items()
    ]
    scored = [_with_original(r, (resembles or {}).get(r.key)) for r in rows if r.score is not None]
    scored.sort(key=lambda r: (r.reason is Reason.RACED_OUT, r.score, r.key))
    others = [r for r in (*rows, *plan.listed) if r.score is None]
    others.sort(key=lambda r: (r.key.block, r.key))
    return RoundResult(
        key=plan.key,
        sync=plan.sync,
        manifest_digest=plan.manifest_digest,
        champion=decision.champion,
        entries=(*scored, *others),
        near_duplicates=None if resembles is None else tuple(sorted(resembles.items())),
        postponed=tuple(k for k, o in opened.outcomes.items() if o.verdict is Verdict.WAITING),
        is_shielded=decision.is_shielded,
        clocks=() if plan.premises is None else plan.premises.clocks,
        missed_defences=missed_after(opened, decision.champion),
    )


def later_result(
    opened: OpenRound,
    rules: Competition,
    submissions: Mapping[EntryKey, Submission],
    *,
    skipped: Reason | None,
    later: ScoredLater,
) -> RoundResult:
    """Return a missed round with the scores that its entries got later; it crowns nobody.

    Args:
        skipped: Why it was missed, if that was recorded.
    """
    note = f"scored later; counts as evidence in the rounds after {later.after}"
    rows = [
        entry_result(
            submissions[key],
            outcome if outcome.verdict is not Verdict.SCORED else replace(outcome, detail=note),
            opened.journal.get(key, ()),
            rules,
        )
        for key, outcome in opened.outcomes.items()
    ]
    scored = sorted((r for r in rows if r.score is not None), key=lambda r: (r.score, r.key))
    others = sorted((r for r in rows if r.score is None), key=lambda r: (r.key.block, r.key))
    return RoundResult(
        key=opened.plan.key,
        sync=opened.plan.sync,
        manifest_digest=opened.plan.manifest_digest,
        entries=(*scored, *others),
        skipped=skipped or Reason.ABSENT,
        later=later,
    )


def _with_original(row: EntryResult, earlier: EntryKey | None) -> EntryResult:
    if earlier is None:
        return row
    note = f"nearly the model of {earlier.hotkey}, committed at block {earlier.block}"
    return replace(row, detail=f"{row.detail}; {note}" if row.detail else note)


def _grace(champion: Submission) -> str:
    """Return the warning for a champion's miner whose repository could not be read in a round."""
    left = MAX_MISSED_ROUNDS - champion.missed_rounds
    coming = "round" if left == 1 else f"{left} rounds"
    return (
        f"{champion.commitment.model.repo} could not be read; the crown passes on if that is so "
        f"in the next {coming} too"
    )


def explain(comparison: Comparison) -> str:
    """Explain to a challenger's miner how close it came to the crown."""
    if comparison.taken:
        return "took the crown"
    text = _words(comparison)
    if comparison.num_set_aside:
        signers = ", ".join(comparison.odd_signers)
        text += (
            f"; {comparison.num_set_aside} rows of {signers} do not count, on which the two differ "
            "oddly"
        )
    return text


def _words(comparison: Comparison) -> str:
    if comparison.hurdle is Hurdle.UNPAIRED:
        return "no sample in common with the champion yet"
    if comparison.hurdle is Hurdle.SUSPECT:
        return "no verdict, since most rows are of signers on whose rows the two differ oddly"
    if comparison.hurdle is Hurdle.NON_FINITE:
        return ""
    better, needed = 1 - comparison.ratio, f"{comparison.epsilon:.2%} better"
    if better < 0:
        came = f"{-better:.2%} worse than the champion; {needed} is needed"
    else:
        came = f"{better:.2%} of the {needed} that are needed"
    if comparison.hurdle is Hurdle.MARGIN:
        return came
    if comparison.hurdle is Hurdle.EVIDENCE:
        plain = comparison.plain_log_e
        if comparison.log_e >= LOG_LEVEL and plain is not None:
            return f"{came}; evidence with its largest losses {plain:.1f} of {LOG_PLAIN_LEVEL:.1f}"
        return f"{came}; evidence {comparison.log_e:.1f} of {LOG_LEVEL:.1f}"
    if comparison.hurdle is Hurdle.SIGNERS and comparison.even_log_e is not None:
        return (
            f"{came}; with the most favourable signers cut to the median signer "
            f"{1 - comparison.even_ratio:.2%} better, evidence {comparison.even_log_e:.1f} of "
            f"{LOG_EVEN_LEVEL:.1f}"
        )
    if comparison.hurdle is Hurdle.UNREADABLE:
        return f"{came}; it takes the crown once its repository can be read at a sync block"
    if comparison.waits_for is not None:
        return f"{came}; {comparison.waits_for.hotkey} committed earlier and is as good"
    return ""


def may_hold_the_crown(outcome: EntryOutcome, holder: EntryKey | None) -> bool:
    """True if the winner rule considers an entry.

    A champion that could not be scored keeps its place with the evidence it has. It loses the
    crown by being beaten or becoming ineligible, but not by one failed evaluation, unless that
    shows that its losses are unsound, or that it fails too often. A challenger that failed in a
    round, or the heir of a vacant crown that did, is not crowned in it.

    Args:
        holder: See ``RoundPlan.holder``.
    """
    if outcome.verdict is Verdict.SCORED:
        return outcome.reason is not Reason.RACED_OUT
    if outcome.reason in NO_CROWN:
        return False
    return outcome.verdict is Verdict.FAILED and outcome.key == holder


def is_waited_for(outcome: EntryOutcome) -> bool:
    """True if lack of time or an outage prevented scoring, which must cost the entry nothing.

    If later entries did not wait for it, a copy could be crowned in the round in which the
    original was not scored.
    """
    return outcome.verdict is Verdict.WAITING or is_our_failure(outcome)


def is_our_failure(outcome: EntryOutcome) -> bool:
    """True if an outage of the validator prevented scoring."""
    reason = outcome.reason
    return outcome.verdict is Verdict.FAILED and reason is not None and reason.blame is Blame.OURS


def changes_after(
    plan: RoundPlan,
    outcomes: Mapping[EntryKey, EntryOutcome],
    *,
    beaten: Collection[EntryKey],
    history: History = NO_HISTORY,
) -> Mapping[EntryKey, Change]:
    """Return the changes to the submissions that took part, waited or could not be read.

    Each is ``after_round`` of the submission as it is when the change is made.

    Entries in ``beaten`` lost the crown; they never return. The clock of an entry that was
    unreadable for too long restarts at the first sync block at which it is public again.

    Args:
        history: Of the rounds before this one.
    """
    restarted = {
        row.key
        for row in plan.listed
        if row.reason is Reason.TOO_EARLY and row.key not in plan.unprobed
    }
    return {
        key: partial(
            after_round,
            plan=plan,
            outcome=outcomes.get(key),
            is_beaten=key in beaten,
            num_timeouts=history.timeouts.get(key, 0),
        )
        for key in restarted | plan.unreadable | outcomes.keys()
    }


def after_round(
    submission: Submission,
    *,
    plan: RoundPlan,
    outcome: EntryOutcome | None,
    is_beaten: bool = False,
    num_timeouts: int = 0,
) -> Submission:
    """Return a submission as a round leaves it.

    Args:
        outcome: Its outcome in the round; ``None`` if it did not take part, because it was
            unreadable or too early.
        is_beaten: It lost the crown, or could not defend it, and retires.
        num_timeouts: Number of earlier rounds since its last score that ended with ``timeout``.
    """
    key, sync_block = submission.commitment.key, plan.key.sync_block
    if outcome is None:
        if key in plan.unreadable:
            return missed_round(submission)
        # Here it makes no difference whether the entry is held. It was listed as too early because
        # its clock restarts now, or because it started recently, with no missed round since.
        return restart_clock(submission, sync_block)
    if key in plan.unreadable:
        submission = missed_round(submission)
    elif key not in plan.unprobed:  # an outage neither adds nor forgives a miss
        if plan.premises is None:
            submission = restart_clock(submission, sync_block)
        else:  # the clock by which the round was planned
            submission = replace(submission, clock_block=plan.premises.clock_of(key))
        submission = attended_round(submission)
    if is_beaten or outcome.reason is Reason.RACED_OUT:
        submission = replace(submission, retired=True)
    if outcome.verdict is Verdict.FAILED and outcome.reason is not None:
        return record_failure(
            submission,
            outcome.reason,
            outcome.detail,
            num_timeouts=num_timeouts,
            champion=key == plan.holder,
        )
    return forgive_failures(submission) if outcome.verdict is Verdict.SCORED else submission


def dependency_of(error: Unavailable) -> Dependency:
    """Return the dependency that failed while an entry was scored."""
    return Dependency.SCORER if isinstance(error, ScorerUnavailable) else Dependency.MODEL_HOST
