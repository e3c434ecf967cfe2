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
    first_defences,
    missed_after,
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
    round_ = a_round_result(a_round_key(1, 360 * number), entries=rows)
    return replace(round_, champion=champion, missed_defences=None)


@given(st.lists(st.booleans(), max_size=60), st.data())
def test_the_count_is_the_same_wherever_the_past_was_cut(
    missed: list[bool], data: st.DataObject
) -> None:
    rounds = [a_round(0, missed=False), *(a_round(n, missed=m) for n, m in enumerate(missed, 1))]
    cut = data.draw(st.integers(0, len(rounds)))
    whole = history_of(rounds)
    assert history_of(rounds[cut:], history_of(rounds[:cut])) == whole
    assert whole.defences == tuple(missed[-MOST_DEFENCES:])


def counting(missed: list[bool]) -> list[RoundResult]:
    """Rounds of a reign, as a validator records them that has seen all of it."""
    rounds = [replace(a_round(0, missed=False), missed_defences=0)]
    for number, is_missed in enumerate(missed, 1):
        counted = sum(history_of(rounds).defences) + is_missed
        rounds.append(replace(a_round(number, missed=is_missed), missed_defences=counted))
    return rounds


@given(st.lists(st.booleans(), max_size=60), st.data())
def test_who_adopts_the_end_of_a_reign_counts_no_fewer_missed_rounds_than_there_were(
    missed: list[bool], data: st.DataObject
) -> None:
    rounds = counting(missed)
    whole = history_of(rounds)
    assert whole.defences == tuple(missed[-MOST_DEFENCES:])
    begin = data.draw(st.integers(0, len(rounds) - 1))
    adopted = rounds[begin:]
    history = history_of(adopted)
    assert sum(whole.defences) <= sum(history.defences)
    assert sum(history.defences) - sum(whole.defences) <= max(MOST_DEFENCES + 1 - len(adopted), 0)
    cut = data.draw(st.integers(1, len(adopted)))
    assert history_of(adopted[cut:], history_of(adopted[:cut])) == history


def test_missed_rounds_before_the_adopted_ones_leave_the_window_last() -> None:
    first = replace(a_round(1, missed=True), missed_defences=6)
    assert first_defences(first) == (*[False] * 17, *[True] * 6)
    rounds = [
        first,
        *(replace(a_round(n, missed=False), missed_defences=None) for n in range(2, 60)),
    ]
    counts = [sum(history_of(rounds[:end]).defences) for end in range(1, 30)]
    assert counts == [*[6] * 18, 5, 4, 3, 2, 1, *[0] * 6]


def test_an_adopted_reign_that_ends_leaves_no_missed_rounds() -> None:
    first = replace(a_round(1, missed=False), missed_defences=5)
    crowned = replace(a_round(2, missed=False, champion=OTHER), missed_defences=0)
    vacant = replace(a_round(2, missed=True, champion=None), missed_defences=0)
    assert sum(history_of([first]).defences) == 5
    for next_round in (crowned, vacant):
        assert history_of([first, next_round]).defences == ()


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


@pytest.mark.parametrize(
    ("round_", "champion", "num_missed"),
    [
        (opened(3, failed(), an_outcome(OTHER)), KING, 4),
        (opened(3, an_outcome(KING), an_outcome(OTHER)), KING, 3),
        (opened(3, failed(), an_outcome(OTHER)), OTHER, 0),
        (opened(3, failed(), an_outcome(OTHER)), None, 0),
        (opened(0, an_outcome(KING), former=OTHER), KING, 0),  # an heir begins its reign
        (opened(None, failed(), an_outcome(OTHER)), KING, None),  # of an older version
    ],
)
def test_a_result_says_how_many_rounds_its_champion_missed(
    round_: OpenRound, champion: EntryKey | None, num_missed: int | None
) -> None:
    assert missed_after(round_, champion) == num_missed
    first = replace(round_, plan=replace(round_.plan, premises=None))
    assert missed_after(first, champion) is None


def test_the_ninth_missed_round_ends_a_champion() -> None:
    before = opened(MAX_MISSED_DEFENCES, failed(), an_outcome(OTHER))
    after = after_defence(before).outcomes
    assert (after[KING].verdict, after[KING].reason) == (Verdict.FAILED, Reason.UNDEFENDED)
    assert after[KING].detail.startswith("failed in 9 of the last 24 rounds in which it held")
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
