"""What recorded rounds say about entries."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.history import histories_of, history_of
from sn37.domain.round.state import EntryResult, History, RoundResult, ValidatorState
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import a_round_key, a_round_result, an_entry_key, an_entry_result

ONE = CompetitionId(1)
ALICE, BOB = an_entry_key("alice", 10), an_entry_key("bob", 10)


def round_with(sync_block: int, *entries: EntryResult) -> RoundResult:
    return a_round_result(a_round_key(1, sync_block), entries=entries)


def crowned(number: int, champion: EntryKey | None) -> RoundResult:
    return replace(a_round_result(a_round_key(1, 360 * number)), champion=champion)


def test_an_entry_was_first_tried_in_its_first_round() -> None:
    found = history_of([round_with(b, an_entry_result(ALICE)) for b in (360, 720, 1080)])
    assert (found.entered, found.scored) == ({ALICE: Block(360)}, frozenset({ALICE}))


def test_a_raced_out_entry_was_scored() -> None:
    row = an_entry_result(ALICE, reason=Reason.RACED_OUT)
    assert history_of([round_with(360, row)]).scored == {ALICE}


def test_a_failure_of_the_models_uses_up_the_challenge_without_a_score() -> None:
    row = an_entry_result(ALICE, verdict=Verdict.FAILED, reason=Reason.TIMEOUT)
    found = history_of([round_with(360, row)])
    assert (found.entered, found.scored) == ({ALICE: 360}, frozenset())


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict.FAILED, Reason.DEVICE),
        (Verdict.FAILED, None),
        (Verdict.FAILED, Reason.QUEUED),
        (Verdict.WAITING, Reason.QUEUED),
        (Verdict.REJECTED, Reason.NORM),
        (Verdict.DUPLICATE, Reason.DUPLICATE),
    ],
)
def test_who_was_not_tried_has_used_up_nothing(verdict: Verdict, reason: Reason | None) -> None:
    row = an_entry_result(ALICE, verdict=verdict, reason=reason)
    found = history_of([round_with(360, row)])
    assert (found.entered, found.scored) == ({}, frozenset())


def test_the_previous_challenge_is_another_entrys_of_the_same_hotkey() -> None:
    history = History(
        entered={
            ALICE: Block(360),
            an_entry_key("alice", 50): Block(720),
            an_entry_key("bob", 5): Block(1080),
        }
    )
    assert history.previous_challenge(an_entry_key("alice", 99)) == 720
    assert history.previous_challenge(an_entry_key("carol", 99)) is None


def test_a_challenge_under_way_is_not_limited_by_others() -> None:
    history = History(entered={ALICE: Block(360), an_entry_key("alice", 5): Block(300)})
    assert history.previous_challenge(ALICE) is None


def test_the_crown_is_as_the_newest_round_that_was_judged_left_it() -> None:
    reigns = [crowned(n, c) for n, c in enumerate((ALICE, BOB, ALICE), start=1)]
    sat_out = a_round_result(a_round_key(1, 1440), skipped=Reason.OVERRUN)
    found = history_of([*reigns, sat_out])
    assert (found.num_judged, found.champion, found.crowned) == (3, ALICE, (BOB, ALICE))
    vacant = history_of([*reigns, sat_out, crowned(5, None)])
    assert (vacant.num_judged, vacant.champion, vacant.crowned) == (4, None, (BOB, ALICE))


@pytest.mark.parametrize("cut", range(5))
def test_rounds_judged_before_the_first_adopted_one_count(cut: int) -> None:
    first, *rest = (crowned(n, ALICE) for n in range(31, 35))
    rounds = [replace(first, num_judged_before=30), *rest]
    found = history_of(rounds[cut:], history_of(rounds[:cut]))
    assert (found.num_judged, found.num_unrecorded) == (34, 30)


@given(
    st.lists(st.tuples(st.sampled_from([None, ALICE, BOB]), st.booleans()), max_size=8),
    st.integers(0, 8),
)
def test_a_history_goes_on_where_an_earlier_part_of_it_ended(
    rounds: list[tuple[EntryKey | None, bool]], cut: int
) -> None:
    held = [
        replace(
            crowned(n, champion),
            entries=() if champion is None else (an_entry_result(champion),),
            skipped=Reason.OVERRUN if is_skipped else None,
        )
        for n, (champion, is_skipped) in enumerate(rounds, start=1)
    ]
    assert history_of(held[cut:], history_of(held[:cut])) == history_of(held)
    shortened = ValidatorState(rounds={ONE: tuple(held[cut:])}, past={ONE: history_of(held[:cut])})
    assert histories_of(shortened) == {ONE: history_of(held)}
