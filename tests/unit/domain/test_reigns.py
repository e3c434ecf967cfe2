"""The lineage of a crown."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.reasons import Reason
from sn37.domain.round.crown_history import Reign, reigns
from sn37.domain.round.state import EntryResult, RoundResult
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import a_round_key, a_round_result, an_entry_key, an_entry_result

ALICE, BOB = an_entry_key("alice"), an_entry_key("bob")
CADENCE = 360


def a_round(number: int, champion: str | None, *rows: EntryResult) -> RoundResult:
    key = a_round_key(1, number * CADENCE)
    if champion is None:
        return replace(a_round_result(key, entries=rows), champion=None)
    return a_round_result(key, champion=an_entry_key(champion), entries=rows)


def sat_out(number: int) -> RoundResult:
    return a_round_result(a_round_key(1, number * CADENCE), skipped=Reason.DATA_UNAVAILABLE)


def test_before_any_round_nobody_reigns() -> None:
    assert reigns(()) == ()


def test_a_crown_that_stays_is_one_reign() -> None:
    (reign,) = reigns([a_round(n, "alice") for n in (1, 2, 3)])
    assert (reign.champion, reign.since, reign.until) == (ALICE, CADENCE, None)
    assert (reign.num_rounds, reign.predecessor, reign.lost_by) == (3, None, None)


def test_a_champion_that_was_beaten_is_followed_by_who_beat_it() -> None:
    beaten = an_entry_result(ALICE)
    first, second = reigns([a_round(1, "alice"), a_round(2, "bob", beaten)])
    assert (first.until, first.lost_by) == (2 * CADENCE, None)
    assert (second.champion, second.predecessor, second.until) == (BOB, ALICE, None)


def test_a_champion_that_could_not_be_heard_any_more_lost_by_that() -> None:
    gone = an_entry_result(ALICE, verdict=Verdict.WAITING, reason=Reason.NOT_PUBLIC)
    first, _ = reigns([a_round(1, "alice"), a_round(2, "bob", gone)])
    assert first.lost_by is Reason.NOT_PUBLIC


def test_rounds_that_were_sat_out_end_no_reign_and_are_not_counted() -> None:
    (reign,) = reigns([a_round(1, "alice"), sat_out(2), a_round(3, "alice")])
    assert reign.num_rounds == 2


def test_a_vacant_crown_ends_a_reign_and_the_next_one_knows_the_last() -> None:
    first, second = reigns([a_round(1, "alice"), a_round(2, None), a_round(3, "bob")])
    assert first.until == 2 * CADENCE
    assert (second.since, second.predecessor) == (3 * CADENCE, ALICE)


def test_who_comes_back_reigns_anew() -> None:
    names = ["alice", "bob", "alice"]
    found = reigns([a_round(n, name) for n, name in enumerate(names, 1)])
    assert [r.champion.hotkey for r in found] == names


@given(st.lists(st.sampled_from(["alice", "bob", "carol", None, "sat out"]), max_size=30))
def test_reigns_cover_every_judged_round_with_a_champion_once(crowns: list[str | None]) -> None:
    rounds = [
        sat_out(n) if crown == "sat out" else a_round(n, crown) for n, crown in enumerate(crowns, 1)
    ]
    found = reigns(rounds)
    assert sum(r.num_rounds for r in found) == sum(c not in (None, "sat out") for c in crowns)
    assert [r.predecessor for r in found[1:]] == [r.champion for r in found[:-1]]
    assert all(_holds(r, rounds) for r in found)


def _holds(reign: Reign, rounds: list[RoundResult]) -> bool:
    end = reign.until or (len(rounds) + 1) * CADENCE
    judged = (r for r in rounds if r.skipped is None and reign.since <= r.key.sync_block < end)
    return all(r.champion == reign.champion for r in judged)
