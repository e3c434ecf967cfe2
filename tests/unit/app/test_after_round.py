"""A submission as a round leaves it: one row for each case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sn37.app.rounds.outcomes import after_round, changes_after
from sn37.domain.ids import Block
from sn37.domain.reasons import Reason
from sn37.domain.round.state import EntryOutcome, Premises, RoundPlan
from sn37.domain.submission.eligibility import (
    MAX_CHAMPION_TIMEOUTS,
    MAX_FAILURES,
    MAX_MISSED_ROUNDS,
)
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import (
    a_round_plan,
    a_submission,
    an_entry_key,
    an_entry_result,
    an_outcome,
)

KEY, OTHER = an_entry_key(), an_entry_key("bob")
CLOCK = Block(300)
FIRST_RULE = a_round_plan()  # at block 720
SYNC = FIRST_RULE.key.sync_block
PLAN = a_round_plan(premises=Premises(clocks=((KEY, CLOCK),)))
HELD = a_round_plan(champion=KEY, premises=Premises(former=KEY, missed_defences=0))
UNREADABLE = replace(PLAN, unreadable=frozenset({KEY}))
UNPROBED = replace(PLAN, unprobed=frozenset({KEY}))

SCORED = an_outcome()
RACED_OUT = an_outcome(reason=Reason.RACED_OUT)
WAITING = an_outcome(verdict=Verdict.WAITING, reason=Reason.QUEUED)
OURS = an_outcome(verdict=Verdict.FAILED, reason=Reason.DEVICE, detail="no device")
TIMEOUT = an_outcome(verdict=Verdict.FAILED, reason=Reason.TIMEOUT, detail="slow")
DUPLICATE = an_outcome(verdict=Verdict.DUPLICATE, reason=Reason.DUPLICATE)

MISSED = {"missed_rounds": MAX_MISSED_ROUNDS}
LAST_TIMEOUT = {"num_timeouts": MAX_CHAMPION_TIMEOUTS - 1}
REFUSED = {"rejection": Reason.TIMEOUT, "detail": "slow"}


@pytest.mark.parametrize(
    ("plan", "outcome", "before", "round_", "after"),
    [
        # The clock, and missed rounds.
        (PLAN, SCORED, {}, {}, {"clock_block": CLOCK}),
        (PLAN, SCORED, MISSED, {}, {"clock_block": CLOCK, "missed_rounds": 0}),
        (FIRST_RULE, SCORED, MISSED, {}, {"clock_block": SYNC, "missed_rounds": 0}),
        (FIRST_RULE, SCORED, {"missed_rounds": 1}, {}, {"missed_rounds": 0}),
        (UNREADABLE, None, {}, {}, {"missed_rounds": 1}),
        (UNREADABLE, SCORED, {}, {}, {"missed_rounds": 1}),
        (UNPROBED, SCORED, {"missed_rounds": 1}, {}, {}),
        (PLAN, None, MISSED, {}, {"clock_block": SYNC, "missed_rounds": 0}),
        (PLAN, None, {"missed_rounds": 1}, {}, {}),
        # Retirement.
        (UNPROBED, RACED_OUT, {}, {}, {"retired": True}),
        (UNPROBED, SCORED, {}, {"is_beaten": True}, {"retired": True}),
        (UNPROBED, OURS, {}, {"is_beaten": True}, {"retired": True}),
        (UNPROBED, SCORED, {"retired": True}, {}, {}),
        # Failures.
        (UNPROBED, SCORED, {"failures": 1, "detail": "slow"}, {}, {"failures": 0, "detail": ""}),
        (UNPROBED, WAITING, {"failures": 1}, {}, {}),
        (UNPROBED, DUPLICATE, {"failures": 1}, {}, {}),
        (UNPROBED, OURS, {"failures": 1}, {}, {}),
        (UNPROBED, TIMEOUT, {}, {}, {"failures": 1, "detail": "slow"}),
        (UNPROBED, TIMEOUT, {"failures": 1}, {}, {"failures": MAX_FAILURES, **REFUSED}),
        (HELD, TIMEOUT, {}, {}, {}),
        (HELD, TIMEOUT, {}, LAST_TIMEOUT, {"failures": MAX_FAILURES, **REFUSED}),
    ],
)
def test_a_submission_is_left_as_the_table_says(
    plan: RoundPlan,
    outcome: EntryOutcome | None,
    before: Mapping[str, Any],
    round_: Mapping[str, Any],
    after: Mapping[str, Any],
) -> None:
    submission = replace(a_submission(), **before)
    left = after_round(submission, plan=plan, outcome=outcome, **round_)
    assert left == replace(submission, **after)


def test_only_those_who_took_part_were_unreadable_or_are_too_early_change() -> None:
    early, outage, retired, private = (an_entry_key(n) for n in ("early", "down", "old", "private"))
    plan = replace(
        a_round_plan(
            entries=(KEY, OTHER),
            listed=(
                an_entry_result(early, verdict=Verdict.WAITING, reason=Reason.TOO_EARLY),
                an_entry_result(outage, verdict=Verdict.WAITING, reason=Reason.TOO_EARLY),
                an_entry_result(retired, verdict=Verdict.REJECTED, reason=Reason.RACED_OUT),
            ),
        ),
        unprobed=frozenset({outage}),
        unreadable=frozenset({private}),
    )
    outcomes = {KEY: an_outcome(KEY), OTHER: an_outcome(OTHER)}
    assert changes_after(plan, outcomes, beaten=()).keys() == {KEY, OTHER, early, private}
