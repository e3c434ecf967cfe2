"""Conclusion of a round: a function of the records made while it ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sn37.app.rounds.outcomes import is_waited_for, may_hold_the_crown, round_result
from sn37.app.rounds.past_evidence import PastEvidence
from sn37.app.rounds.setting_aside import with_opinions
from sn37.domain.ids import EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.comparing import NO_ORIGINS, Contestant
from sn37.domain.round.defences import after_defence
from sn37.domain.round.evidence import ALL_ROUNDS, Evidence, weigh
from sn37.domain.round.first_rule import FirstRule
from sn37.domain.round.near_duplicates import resembled
from sn37.domain.round.racing import is_hopeless
from sn37.domain.round.signers import Origins, origins_of
from sn37.domain.round.state import EntryOutcome, OpenRound, Premises, RoundPlan, RoundResult
from sn37.domain.round.winner import Crown, WinnerRule
from sn37.domain.schedule.competition import Competition
from sn37.domain.submission.submission import Submission, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """A round's result, and its consequences for the entries."""

    result: RoundResult
    outcomes: Mapping[EntryKey, EntryOutcome]  # some are raced out only now
    beaten: tuple[EntryKey, ...]  # champions that lost the crown


def conclude(
    opened: OpenRound,
    *,
    rules: Competition,
    past: PastEvidence,
    submissions: Mapping[EntryKey, Submission],
    rule: WinnerRule,
    flags_copies: bool = True,
) -> Conclusion:
    """Decide the crown of a round whose entries all have an outcome.

    Args:
        past: Evidence of earlier rounds, for the entries in ``RoundPlan.compared``.
        rule: For rounds whose plan has premises. Others are decided by the first rule, which was
            in force when they were opened.
        flags_copies: Whether to flag entries that are almost an earlier entry's model.
    """
    opened = after_defence(with_opinions(opened))
    plan, premises = opened.plan, opened.plan.premises
    evidence = {
        key: with_round(past.of(key), opened, key, rules)
        if outcome.verdict is Verdict.SCORED
        else past.of(key)
        for key, outcome in opened.outcomes.items()
    }
    origins = with_origins(past.origins, plan, rules)
    decision = (FirstRule() if premises is None else rule).decide(
        crown=crown_of(plan, past),
        contestants=contestants_of(opened, evidence, past, submissions),
        at=plan.key.sync_block,
        epsilon=rules.epsilon,
        origins=origins,
    )
    outcomes = _retired_after(opened, evidence, decision.champion, rules, origins)
    # Losses streamed before a failure do not count: nothing may depend on them.
    scored = [key for key, o in opened.outcomes.items() if o.verdict is Verdict.SCORED]
    by_precedence = sorted(scored, key=lambda e: submissions[e].commitment.precedence)
    return Conclusion(
        result=round_result(
            replace(opened, outcomes=outcomes),
            rules,
            submissions,
            decision,
            resembled(opened.journal, by_precedence) if flags_copies else None,
        ),
        outcomes=outcomes,
        beaten=decision.beaten,
    )


def with_round(past: Evidence, opened: OpenRound, entry: EntryKey, rules: Competition) -> Evidence:
    """Return an entry's evidence, extended by its losses in this round."""
    return {**past, opened.plan.key.sync_block: weigh(opened.journal.get(entry, ()), rules)}


def with_origins(past: Origins, plan: RoundPlan, rules: Competition) -> Origins:
    """Return the origins of samples, extended by this round's; the first rule uses none."""
    if plan.premises is None:
        return NO_ORIGINS
    return {**past, plan.key.sync_block: origins_of(plan.signers, rules)}


def crown_of(plan: RoundPlan, past: PastEvidence) -> Crown:
    """Return the crown before the round of a plan."""
    premises = plan.premises or Premises()
    former = None
    if (key := premises.former) is not None:
        former = Contestant(
            key=key,
            precedence=(key.block, 0, key.hotkey),  # it does not compete
            evidence=past.of(key),
            since=key.block,
            is_present=False,
        )
    return Crown(
        holder=plan.champion,
        former=former,
        is_shielded=premises.is_shielded,
        num_judged=premises.num_judged,
        is_current=premises.missed_defences is not None,
    )


def contestants_of(
    opened: OpenRound,
    evidence: Mapping[EntryKey, Evidence],
    past: PastEvidence,
    submissions: Mapping[EntryKey, Submission],
) -> tuple[Contestant, ...]:
    """Return the entries that compete in a round, and those that others wait for."""
    plan, premises = opened.plan, opened.plan.premises or Premises()

    def contestant(entry: EntryKey, values: Evidence, *, is_present: bool) -> Contestant:
        clock = premises.clock_of(entry)
        _, index, hotkey = submissions[entry].commitment.precedence
        return Contestant(
            key=entry,
            precedence=(clock, index, hotkey),
            evidence=values,
            since=clock,
            is_present=is_present,
            is_readable=entry not in plan.unreadable,
        )

    taking_part = [
        contestant(entry, evidence[entry], is_present=may_hold_the_crown(outcome, plan.holder))
        for entry, outcome in opened.outcomes.items()
        if may_hold_the_crown(outcome, plan.holder) or is_waited_for(outcome)
    ]
    absent = [contestant(e, past.of(e), is_present=False) for e in premises.awaited]
    return (*taking_part, *absent)


def _retired_after(
    opened: OpenRound,
    evidence: Mapping[EntryKey, Evidence],
    champion: EntryKey | None,
    rules: Competition,
    origins: Origins,
) -> Mapping[EntryKey, EntryOutcome]:
    """Return the outcomes, after racing out entries that cannot beat the new champion either."""
    if champion is None:
        return opened.outcomes
    best, premises = evidence.get(champion, {}), opened.plan.premises

    def hopeless(entry: EntryKey) -> bool:
        return is_hopeless(
            best,
            evidence[entry],
            epsilon_end=rules.epsilon.end,
            since=ALL_ROUNDS if premises is None else premises.clock_of(entry),
            origins=origins,
        )

    return {
        entry: replace(outcome, reason=Reason.RACED_OUT)
        if entry != champion and outcome.verdict is Verdict.SCORED and hopeless(entry)
        else outcome
        for entry, outcome in opened.outcomes.items()
    }
