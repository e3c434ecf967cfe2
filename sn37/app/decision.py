"""How a round ends: a function of what was recorded while it ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sn37.app.results import is_waited_for, may_hold_the_crown, round_result
from sn37.app.setting_aside import with_opinions
from sn37.domain.competition import Competition
from sn37.domain.evidence import Evidence, weigh
from sn37.domain.ids import EntryKey
from sn37.domain.racing import is_hopeless
from sn37.domain.reasons import Reason
from sn37.domain.resemblance import resembled
from sn37.domain.state import EntryOutcome, OpenRound, RoundResult, Submission, Verdict
from sn37.domain.winner import Contestant, WinnerRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """A round's result, and what it means for those that took part."""

    result: RoundResult
    outcomes: Mapping[EntryKey, EntryOutcome]  # some raced out only now
    beaten: tuple[EntryKey, ...]  # champions that lost the crown


def conclude(
    opened: OpenRound,
    *,
    rules: Competition,
    past: Mapping[EntryKey, Evidence],
    submissions: Mapping[EntryKey, Submission],
    rule: WinnerRule,
    flags_copies: bool = True,
) -> Conclusion:
    """Decide the crown of a round whose entries all have an outcome.

    Args:
        past: Each entry's evidence of earlier rounds, see ``past_evidence``.
        flags_copies: Whether to look for entries that are nearly an earlier one's model.
    """
    opened = with_opinions(opened)
    plan = opened.plan
    evidence = {
        key: with_round(past.get(key, {}), opened, key, rules)
        if outcome.verdict is Verdict.SCORED
        else past.get(key, {})
        for key, outcome in opened.outcomes.items()
    }
    decision = rule.decide(
        champion=plan.champion,
        contestants=tuple(
            Contestant(
                key=entry,
                precedence=submissions[entry].commitment.precedence,
                evidence=evidence[entry],
                is_present=may_hold_the_crown(outcome, plan.champion),
            )
            for entry, outcome in opened.outcomes.items()
            if may_hold_the_crown(outcome, plan.champion) or is_waited_for(outcome)
        ),
        at=plan.key.sync_block,
        epsilon=rules.epsilon,
    )
    outcomes = _retired_after(opened.outcomes, evidence, decision.champion, rules)
    # What was streamed before a failure is removed with it: nothing may rest on it.
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
    """The evidence of an entry with what it was scored on in this round."""
    return {**past, opened.plan.key.sync_block: weigh(opened.journal.get(entry, ()), rules)}


def _retired_after(
    outcomes: Mapping[EntryKey, EntryOutcome],
    evidence: Mapping[EntryKey, Evidence],
    champion: EntryKey | None,
    rules: Competition,
) -> Mapping[EntryKey, EntryOutcome]:
    """The outcomes, with those raced out that can no longer beat the new champion either."""
    if champion is None:
        return outcomes
    best = evidence.get(champion, {})
    return {
        entry: replace(outcome, reason=Reason.RACED_OUT)
        if entry != champion
        and outcome.verdict is Verdict.SCORED
        and is_hopeless(best, evidence[entry], epsilon_end=rules.epsilon.end)
        else outcome
        for entry, outcome in outcomes.items()
    }
