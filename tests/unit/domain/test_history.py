"""What recorded rounds say about entries."""

from __future__ import annotations

import pytest

from sn37.domain.history import History, history_of
from sn37.domain.ids import Block
from sn37.domain.reasons import Reason
from sn37.domain.state import EntryResult, RoundResult, Verdict
from sn37.testing.builders import a_round_key, a_round_result, an_entry_key, an_entry_result

ALICE = an_entry_key("alice", 10)


def round_with(sync_block: int, *entries: EntryResult) -> RoundResult:
    return a_round_result(a_round_key(1, sync_block), entries=entries)


def test_an_entry_was_first_tried_in_its_first_round_whatever_the_order_of_rounds() -> None:
    rounds = [round_with(b, an_entry_result(ALICE)) for b in (720, 360, 1080)]
    assert history_of(rounds) == history_of(reversed(rounds))
    assert history_of(rounds) == History(entered={ALICE: Block(360)}, scored=frozenset({ALICE}))


def test_a_raced_out_entry_was_scored() -> None:
    row = an_entry_result(ALICE, reason=Reason.RACED_OUT)
    assert history_of([round_with(360, row)]).scored == {ALICE}


def test_a_failure_of_the_models_uses_up_the_challenge_without_a_score() -> None:
    row = an_entry_result(ALICE, verdict=Verdict.FAILED, reason=Reason.TIMEOUT)
    assert history_of([round_with(360, row)]) == History(entered={ALICE: Block(360)})


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict.FAILED, Reason.DEVICE),
        (Verdict.FAILED, None),
        (Verdict.WAITING, Reason.QUEUED),
        (Verdict.REJECTED, Reason.NORM),
        (Verdict.DUPLICATE, Reason.DUPLICATE),
    ],
)
def test_who_was_not_tried_has_used_up_nothing(verdict: Verdict, reason: Reason | None) -> None:
    row = an_entry_result(ALICE, verdict=verdict, reason=reason)
    assert history_of([round_with(360, row)]) == History()


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
