"""A champion that fails in too many rounds is out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.ids import EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.defences import (
    MAX_MISSED_DEFENCES,
    MOST_DEFENCES,
    after_defence,
    defences_after,
    missed_defence,
)
from sn37.domain.round.history import history_of
from sn37.domain.round.state import EntryOutcome, OpenRound, Premises, RoundResult
from sn37.domain.submission.eligibility import MAX_FAILURES, failures_after
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import (
    a_round_key,
    a_round_plan,
    a_round_result,
    an_entry_key,
    an_entry_result,
    an_outcome,
)

KING, OTHER = an_entry_key("king", 10), an_entry_key("other", 20)


def failed(key: EntryKey = KING, reason: Reason | None = Reason.TIMEOUT) -> EntryOutcome:
    return an_outcome(key, verdict=Verdict.FAILED, reason=reason)


@pytest.mark.parametrize(
    ("reason", "counts"),
    [
        (Reason.TIMEOUT, True),
        (Reason.MEMORY, True),
        (Reason.STALLED, True),
        (Reason.DEVICE, True),
        (Reason.HUB_UNAVAILABLE, False),
        (Reason.DISK, False),
        (None, False),
    ],
)
def test_a_failure_counts_that_a_model_can_bring_about(reason: Reason | None, counts: bool) -> None:
    assert missed_defence(KING, [failed(reason=reason), an_outcome(OTHER)]) is counts


@pytest.mark.parametrize(
    "outcomes",
    [
        [failed()],  # nobody else was there
        [failed(), failed(OTHER)],  # nobody was scored: that is ours
        [an_outcome(KING), an_outcome(OTHER)],
        [failed(OTHER), an_outcome(KING)],
        [an_outcome(OTHER)],
    ],
)
def test_other_rounds_do_not_count(outcomes: list[EntryOutcome]) -> None:
    assert not missed_defence(KING, outcomes)
    assert not missed_defence(None, outcomes)


def a_round(number: int, *, missed: bool, champion: EntryKey | None = KING) -> RoundResult:
    verdict, reason = (Verdict.FAILED, Reason.MEMORY) if missed else (Verdict.SCORED, None)
    rows = (an_entry_result(KING, verdict=verdict, reason=reason), an_entry_result(OTHER))
    return replace(a_round_result(a_round_key(1, 360 * number), entries=rows), champion=champion)


@given(st.lists(st.booleans(), max_size=60), st.data())
def test_the_count_is_the_same_wherever_the_past_was_cut(
    missed: list[bool], data: st.DataObject
) -> None:
    rounds = [a_round(0, missed=False), *(a_round(n, missed=m) for n, m in enumerate(missed, 1))]
    cut = data.draw(st.integers(0, len(rounds)))
    whole = history_of(rounds)
    assert history_of(rounds[cut:], history_of(rounds[:cut])) == whole
    assert whole.defences == tuple(missed[-MOST_DEFENCES:])


def test_a_new_reign_begins_without_missed_rounds() -> None:
    rounds = [a_round(1, missed=False), a_round(2, missed=True)]
    assert history_of(rounds).defences == (True,)
    assert history_of([*rounds, a_round(3, missed=True, champion=OTHER)]).defences == ()
    assert history_of([*rounds, a_round(3, missed=True, champion=None)]).defences == ()


def test_a_round_that_was_sat_out_is_no_defence() -> None:
    sat_out = replace(a_round_result(a_round_key(1, 1_080)), skipped=Reason.DATA_UNAVAILABLE)
    rounds = [a_round(1, missed=False), a_round(2, missed=True), sat_out]
    assert history_of(rounds).defences == (True,)


def test_nobody_defends_a_vacant_crown() -> None:
    assert defences_after((), None, a_round(1, missed=True)) == ()


def opened(
    num_missed: int | None, *outcomes: EntryOutcome, former: EntryKey | None = KING
) -> OpenRound:
    plan = a_round_plan(champion=KING, entries=[KING, OTHER], draws=())
    premises = Premises(former=former, missed_defences=num_missed)
    return OpenRound(plan=replace(plan, premises=premises), outcomes={o.key: o for o in outcomes})


def test_the_ninth_missed_round_ends_a_champion() -> None:
    before = opened(MAX_MISSED_DEFENCES, failed(), an_outcome(OTHER))
    after = after_defence(before).outcomes
    assert (after[KING].verdict, after[KING].reason) == (Verdict.FAILED, Reason.UNDEFENDED)
    assert after[KING].detail.startswith("failed in 9 of the last 24 rounds that it held the crown")
    assert after[OTHER] == an_outcome(OTHER)
    assert failures_after(0, Reason.UNDEFENDED, champion=True) == MAX_FAILURES


@pytest.mark.parametrize(
    "round_",
    [
        opened(MAX_MISSED_DEFENCES - 1, failed(), an_outcome(OTHER)),
        opened(MAX_MISSED_DEFENCES, an_outcome(KING), an_outcome(OTHER)),
        opened(MAX_MISSED_DEFENCES, failed(), failed(OTHER)),
        opened(None, failed(), an_outcome(OTHER)),  # of an older version
        opened(MAX_MISSED_DEFENCES, failed(), an_outcome(OTHER), former=OTHER),  # an heir
    ],
)
def test_any_other_round_ends_as_it_was_recorded(round_: OpenRound) -> None:
    assert after_defence(round_) is round_


def test_rounds_of_the_first_rule_end_as_they_were_recorded() -> None:
    round_ = opened(MAX_MISSED_DEFENCES, failed(), an_outcome(OTHER))
    first = replace(round_, plan=replace(round_.plan, premises=None))
    assert after_defence(first) is first


def test_the_heir_of_a_vacant_crown_does_not_hold_it_before_it_is_scored() -> None:
    assert opened(0).plan.holder == KING
    assert opened(0, former=OTHER).plan.holder is None
    assert opened(None, former=OTHER).plan.holder == KING  # of an older version
