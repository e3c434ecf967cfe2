"""What stays on disk when room is needed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.disk.eviction import retained
from sn37.domain.ids import CompetitionId
from sn37.domain.reasons import Reason
from sn37.domain.records.history_pruning import remembered
from sn37.domain.round.history import history_of
from sn37.domain.round.state import OpenRound, RoundResult, ValidatorState
from sn37.domain.submission.models import ModelRef
from sn37.domain.submission.submission import Submission, Verdict
from sn37.testing.builders import (
    a_commitment,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_submission,
    an_artifact,
    an_entry_key,
    an_entry_result,
)

ONE = CompetitionId(1)


def a_state(
    *submissions: Submission, rounds: tuple[RoundResult, ...] = (), running: Collection[str] = ()
) -> ValidatorState:
    plan = a_round_plan(entries=[an_entry_key(name) for name in running])
    return ValidatorState(
        submissions={s.commitment.key: s for s in submissions},
        rounds={ONE: rounds},
        open_rounds={plan.key: OpenRound(plan=plan)} if running else {},
    )


def a_finished_round(number: int, champion: str, *names: str) -> RoundResult:
    key = a_round_key(sync_block=720 * number)
    entries = tuple(an_entry_result(an_entry_key(name)) for name in names)
    return a_round_result(key, champion=an_entry_key(champion), entries=entries)


def owners(kept: Collection[ModelRef]) -> set[str]:
    return {ref.repo.split("/")[0] for ref in kept}


def named(name: str) -> Submission:
    return a_submission(a_commitment(name))


def test_t40_what_is_never_scored_again_goes_first() -> None:
    state = a_state(
        named("new"),
        a_submission(a_commitment("refused"), rejection=Reason.NORM),
        a_submission(a_commitment("beaten"), retired=True),
    )
    first, _ = retained(state)
    assert owners(first) == {"new"}


def test_t04_clones_that_were_fetched_take_no_room_from_others() -> None:
    first, clone = a_commitment("first", 100), a_commitment("clone", 200)
    artifact = an_artifact(first)
    copied = an_artifact(clone, tensor_digest=artifact.tensor_digest)
    state = a_state(a_submission(clone, artifact=copied), a_submission(first, artifact=artifact))
    assert [owners(kept) for kept in retained(state)] == [{"first"}] * 2


def test_t40_a_model_that_its_miner_replaced_goes_first() -> None:
    old, new = a_commitment("alice", 100), a_commitment("alice", 200)
    first, _ = retained(a_state(a_submission(new), a_submission(old)))
    assert first == {new.model}


def test_t40_scored_models_go_next_but_for_those_of_the_newest_round() -> None:
    rounds = (
        a_finished_round(1, "king", "king", "passed"),
        a_finished_round(2, "king", "king", "contender"),
        a_round_result(a_round_key(sync_block=2160), skipped=Reason.DATA_UNAVAILABLE),
    )
    names = ("king", "passed", "contender", "new")
    first, then = retained(a_state(*map(named, names), rounds=rounds))
    assert owners(first) == {"king", "passed", "contender", "new"}
    assert owners(then) == {"king", "contender", "new"}


def test_t40_being_listed_in_the_newest_round_keeps_no_model() -> None:
    key = a_round_key(sync_block=1440)
    rows = [
        an_entry_result(an_entry_key("king")),
        an_entry_result(an_entry_key("failed"), verdict=Verdict.FAILED),
        an_entry_result(an_entry_key("passed"), verdict=Verdict.WAITING),
    ]
    rounds = (
        a_finished_round(1, "king", "king", "failed", "passed"),
        a_round_result(key, champion=an_entry_key("king"), entries=tuple(rows)),
    )
    _, then = retained(a_state(*map(named, ("king", "failed", "passed")), rounds=rounds))
    assert owners(then) == {"king", "failed"}


def test_a_scored_model_for_which_the_newest_round_had_no_time_stays() -> None:
    late = an_entry_key("late")
    rows = (
        an_entry_result(an_entry_key("king")),
        an_entry_result(late, verdict=Verdict.WAITING),
    )
    newest = a_round_result(a_round_key(sync_block=1440), champion=rows[0].key, entries=rows)
    rounds = (a_finished_round(1, "king", "king", "late"), replace(newest, postponed=(late,)))
    _, then = retained(a_state(*map(named, ("king", "late")), rounds=rounds))
    assert owners(then) == {"king", "late"}


def test_t28_a_former_champion_stays_while_nobody_could_fetch_it_again() -> None:
    rounds = (a_finished_round(1, "gone", "gone"), a_finished_round(2, "heir", "heir"))
    heir = named("heir")
    for missed_rounds, kept in ((3, {"gone", "heir"}), (0, {"heir"})):
        gone = a_submission(a_commitment("gone"), missed_rounds=missed_rounds, retired=True)
        assert [owners(k) for k in retained(a_state(gone, heir, rounds=rounds))] == [kept] * 2


def test_t28_a_crowned_model_and_those_being_scored_stay_whatever_became_of_them() -> None:
    king = a_submission(a_commitment("king"), rejection=Reason.UNAVAILABLE_REPO)
    running = a_submission(a_commitment("running"), retired=True)
    rounds = (a_finished_round(1, "king", "king"),)
    state = a_state(king, running, rounds=rounds, running=("running",))
    assert [owners(kept) for kept in retained(state)] == [{"king", "running"}] * 2


def test_an_entry_of_which_nothing_is_recorded_is_left_out() -> None:
    assert retained(a_state(running=("unknown",))) == (frozenset(), frozenset())


@given(st.integers(0, 3))
def test_rounds_that_are_no_longer_held_keep_what_they_kept(cut: int) -> None:
    rounds = (
        a_finished_round(1, "gone", "gone", "passed"),
        a_finished_round(2, "king", "king", "lost"),
        a_round_result(a_round_key(sync_block=2160), skipped=Reason.DATA_UNAVAILABLE),
        a_finished_round(4, "king", "king", "contender"),
    )
    gone = a_submission(a_commitment("gone"), missed_rounds=1)
    names = ("king", "passed", "lost", "contender", "new")
    whole = a_state(gone, *map(named, names), rounds=rounds)
    past = {ONE: history_of(rounds[:cut])}
    shortened = replace(whole, rounds={ONE: rounds[cut:]}, past=past)
    assert retained(shortened) == retained(whole)
    newest = rounds[-1].key.sync_block
    assert remembered(shortened, ONE, newest) == remembered(whole, ONE, newest)
