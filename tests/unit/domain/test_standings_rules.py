"""Standings of a competition over its last rounds."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sn37.domain.ids import BlockRef, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import RoundResult
from sn37.domain.schedule.schedule import COLD_ROUNDS, WINDOW_ROUNDS, StandingsRule
from sn37.domain.weights.standings import sat_out_a_window, standings, warm_up_left
from sn37.testing.builders import a_round_key, a_timing, an_entry_key

TIMING = a_timing()
ALICE, BOB = Hotkey("alice"), Hotkey("bob")


def won(by: str | None, index: int, *, competition: int = 1) -> RoundResult:
    """The round ``index`` cadences after block 0."""
    key = a_round_key(competition, 360 * index)
    champion = None if by is None else an_entry_key(by)
    return RoundResult(key=key, sync=BlockRef(key.sync_block, "0x00"), champion=champion)


def sat_out(index: int) -> RoundResult:
    key = a_round_key(1, 360 * index)
    return RoundResult(
        key=key, sync=BlockRef(key.sync_block, "0x00"), skipped=Reason.DATA_UNAVAILABLE
    )


@st.composite
def histories(draw: st.DrawFn) -> list[RoundResult]:
    winners = draw(st.lists(st.sampled_from([*"abcdefg", None, "sat out"]), max_size=40))
    return [
        sat_out(n) if winner == "sat out" else won(winner, n) for n, winner in enumerate(winners)
    ]


def test_a_round_weighs_nine_tenths_of_the_next() -> None:
    shares = standings([won("alice", 0), won("bob", 1)], timing=TIMING)
    assert shares == {"alice": 9 / 19, "bob": 10 / 19}


def test_ages_are_counted_in_sync_rounds_so_a_gap_stays_a_gap() -> None:
    shares = standings([won("alice", 0), won("bob", 5)], timing=TIMING)
    assert shares[BOB] / shares[ALICE] == pytest.approx(0.9**-5)


def test_only_the_last_24_sync_rounds_count() -> None:
    old = [won("alice", n) for n in range(10)]
    assert standings([*old, won("bob", 9 + WINDOW_ROUNDS)], timing=TIMING) == {"bob": 1.0}
    assert "alice" in standings([*old, won("bob", 8 + WINDOW_ROUNDS - 5)], timing=TIMING)


def test_the_24th_round_back_counts_and_the_25th_does_not() -> None:
    assert not warm_up_left([won("a", 0), won("b", 23)], timing=TIMING, warmup_rounds=2)
    assert warm_up_left([won("a", 0), won("b", 24)], timing=TIMING, warmup_rounds=2)


def test_a_round_sat_out_credits_nobody_with_the_crown_of_the_round_before() -> None:
    unseen = replace(won("bob", 1), skipped=Reason.DATA_UNAVAILABLE)
    assert standings([won("alice", 0), unseen], timing=TIMING) == {"alice": 1.0}


def test_rounds_sat_out_or_without_a_champion_are_left_out() -> None:
    rounds = [won("alice", 0), sat_out(1), won(None, 2), won("alice", 3)]
    assert standings(rounds, timing=TIMING) == {"alice": 1.0}


def moving(rounds: list[RoundResult]) -> dict[Hotkey, float]:
    return dict(standings(rounds, timing=TIMING, rule=StandingsRule.MOVING_AVERAGE))


def textbook_average(rounds: list[RoundResult]) -> dict[Hotkey, float]:
    """The existing validators' rule: average by entry, threshold, normalise."""
    average: dict[Hotkey, Fraction] = {}
    judged = [r for r in rounds[-WINDOW_ROUNDS:] if r.skipped is None]
    for number, round_ in enumerate(judged):
        new = {round_.winner: Fraction(1)} if round_.winner is not None else {}
        old, fresh = (Fraction(9, 10), Fraction(1, 10)) if number else (Fraction(0), Fraction(1))
        average = {
            key: old * average.get(key, 0) + fresh * new.get(key, 0)
            for key in average.keys() | new.keys()
        }
    total = sum(average.values())
    kept = {key: x for key, x in average.items() if x and x >= Fraction(18, 100) * total}
    return {key: float(x / sum(kept.values())) for key, x in kept.items()}


def test_the_moving_average_keeps_nine_tenths_of_what_was() -> None:
    assert moving([won("alice", 0), *(won("bob", n) for n in (1, 2))]) == {
        "alice": 0.81,
        "bob": 0.19,
    }


def test_the_moving_average_does_not_age_in_rounds_sat_out() -> None:
    rounds = [won("alice", 0), won("bob", 1), won("bob", 2)]
    apart = [won("alice", 0), sat_out(1), won("bob", 9), sat_out(10), won("bob", 20)]
    assert moving(rounds) == moving(apart)


@given(histories())
def test_the_moving_average_is_that_of_existing_validators(rounds: list[RoundResult]) -> None:
    expected = textbook_average(rounds)
    assume(expected or not moving(rounds))  # where nobody reaches the threshold we keep the largest
    assert moving(rounds) == expected


@pytest.mark.parametrize(
    ("rule", "pays_after", "dropped_after"),
    [(StandingsRule.WINDOW, 2, 14), (StandingsRule.MOVING_AVERAGE, 2, 17)],
)
def test_a_new_winner_is_paid_and_the_old_one_dropped_after_so_many_rounds(
    rule: StandingsRule, pays_after: int, dropped_after: int
) -> None:
    old = [won("alice", n) for n in range(WINDOW_ROUNDS)]
    later = [
        standings(
            [*old, *(won("bob", WINDOW_ROUNDS + n) for n in range(k))], timing=TIMING, rule=rule
        )
        for k in range(WINDOW_ROUNDS)
    ]
    paid = next(k for k, shares in enumerate(later) if BOB in shares)
    dropped = next(k for k, shares in enumerate(later) if ALICE not in shares)
    assert (paid, dropped) == (pays_after, dropped_after)


def test_without_a_champion_there_are_no_standings() -> None:
    assert standings([], timing=TIMING) == {}
    assert standings([sat_out(0), won(None, 1)], timing=TIMING) == {}


def test_a_lucky_round_is_below_the_threshold() -> None:
    rounds = [won("alice", n) for n in range(23)]
    assert standings([*rounds, won("bob", 23)], timing=TIMING) == {"alice": 1.0}


def test_two_rounds_in_a_row_reach_the_threshold() -> None:
    rounds = [won("alice", n) for n in range(22)]
    shares = standings([*rounds, won("bob", 22), won("bob", 23)], timing=TIMING)
    assert shares[BOB] == pytest.approx(1.9 / ((1 - 0.9**24) / 0.1))


def test_shares_below_the_threshold_are_dropped_and_the_rest_scaled_up() -> None:
    five = [won(name, n) for n, name in enumerate("abcde")]
    shares = standings(five, timing=TIMING)
    assert set(shares) == {"c", "d", "e"}  # 0.198, 0.220, 0.244 of all
    assert sum(shares.values()) == pytest.approx(1)


def test_when_nobody_reaches_the_threshold_the_largest_share_stays() -> None:
    rounds = [won(f"miner-{n % 12}", n) for n in range(24)]
    assert standings(rounds, timing=TIMING) == {"miner-11": 1.0}


@given(histories(), st.randoms())
@settings(max_examples=40)
def test_validators_with_the_same_rounds_agree_exactly_in_whatever_order_they_have_them(
    rounds: list[RoundResult], random: Random
) -> None:
    expected = list(standings(rounds, timing=TIMING).items())
    assert list(standings(rounds[::-1], timing=TIMING).items()) == expected
    shuffled = random.sample(rounds, len(rounds))
    assert list(standings(shuffled, timing=TIMING).items()) == expected


@given(histories())
@settings(max_examples=40)
def test_a_validator_that_started_later_agrees_once_the_window_is_full(
    rounds: list[RoundResult],
) -> None:
    assert standings(rounds[-WINDOW_ROUNDS:], timing=TIMING) == standings(rounds, timing=TIMING)


@given(histories())
@settings(max_examples=40)
def test_standings_are_positive_shares_that_sum_to_one_or_there_are_none(
    rounds: list[RoundResult],
) -> None:
    shares = standings(rounds, timing=TIMING)
    assert all(0 < share <= 1 for share in shares.values())
    assert not shares or math.fsum(shares.values()) == pytest.approx(1, abs=1e-12)
    in_window = [r.winner for r in rounds[-WINDOW_ROUNDS:]]
    assert bool(shares) == any(in_window)


@given(st.integers(0, 10**7))
@settings(max_examples=40)
def test_standings_do_not_depend_on_when_the_rounds_happened(start: int) -> None:
    rounds = [won("alice", 0), won("bob", 1), won("alice", 2)]
    later = [won("alice", start), won("bob", start + 1), won("alice", start + 2)]
    assert standings(later, timing=TIMING) == standings(rounds, timing=TIMING)


def test_standings_are_correctly_rounded() -> None:
    rounds = [won("alice" if n % 3 else "bob", n) for n in range(24)]
    weights = {n: Fraction(9, 10) ** (23 - n) for n in range(24)}
    exact = sum(w for n, w in weights.items() if n % 3) / sum(weights.values())
    assert standings(rounds, timing=TIMING)[ALICE] == float(exact)


def test_t32_standings_are_kept_by_hotkey() -> None:
    assert standings([won("alice", 0)], timing=TIMING) == {Hotkey("alice"): 1.0}


def test_rounds_of_two_competitions_are_never_mixed() -> None:
    with pytest.raises(ValueError, match="of one competition"):
        standings([won("alice", 0), won("bob", 1, competition=2)], timing=TIMING)
    with pytest.raises(ValueError, match="distinct rounds"):
        standings([won("alice", 0), won("bob", 0)], timing=TIMING)


def test_a_validator_warms_up_until_it_has_judged_enough_rounds() -> None:
    rounds = [won("alice", 0), won(None, 1), sat_out(2)]
    assert warm_up_left([], timing=TIMING, warmup_rounds=1)
    assert warm_up_left(rounds, timing=TIMING, warmup_rounds=3)
    assert not warm_up_left(rounds, timing=TIMING, warmup_rounds=2)


def test_rounds_sat_out_for_want_of_data_are_no_reason_to_warm_up_again() -> None:
    judged = [won("alice", n) for n in range(8)]
    rounds = [*judged, *map(sat_out, range(8, 60))]
    for end in range(8, 61):
        assert not warm_up_left(rounds[:end], timing=TIMING, warmup_rounds=8)
    assert standings(rounds[:31], timing=TIMING) == {"alice": 1.0}
    assert standings(rounds[:32], timing=TIMING) == {}
    again = [*rounds, won("bob", 60)]
    assert not warm_up_left(again, timing=TIMING, warmup_rounds=8)
    assert standings(again, timing=TIMING) == {"bob": 1.0}
    assert not warm_up_left(rounds[20:], timing=TIMING, warmup_rounds=8, num_before=8)


def test_who_never_judged_or_was_away_warms_up_whatever_it_sat_out() -> None:
    sat = [sat_out(n) for n in range(8, 60)]
    assert warm_up_left(sat, timing=TIMING, warmup_rounds=8) == 8
    seven = [won("alice", n) for n in range(7)]
    assert warm_up_left([*seven, *sat], timing=TIMING, warmup_rounds=8) == 8
    eight = [won("alice", n) for n in range(8)]
    with_gap = [*eight, *(r for r in sat if r.key.sync_block != 40 * 360)]
    assert warm_up_left(with_gap, timing=TIMING, warmup_rounds=8) == 8
    late = [replace(r, skipped=Reason.OVERRUN) for r in sat]
    assert warm_up_left([*eight, *late], timing=TIMING, warmup_rounds=8) == 8


def test_a_window_is_sat_out_when_all_of_it_is_recorded_and_most_rows_are_missing() -> None:
    sat = [sat_out(n) for n in range(60)]
    assert sat_out_a_window(sat, timing=TIMING)
    assert not sat_out_a_window(sat[:23], timing=TIMING)
    assert not sat_out_a_window([*sat[:40], *sat[41:]], timing=TIMING)
    late = [*sat[:-1], replace(sat[-1], skipped=Reason.OVERRUN)]
    assert not sat_out_a_window(late, timing=TIMING)
    for num_judged, is_so in ((11, True), (12, False)):
        some = [*sat[: 60 - num_judged], *(won("alice", n) for n in range(60 - num_judged, 60))]
        assert sat_out_a_window(some, timing=TIMING) is is_so


def test_rounds_that_are_no_longer_held_count_for_a_cold_validator() -> None:
    def left(held: int, num_before: int) -> int:
        rounds = [won("alice", n) for n in range(held)]
        return warm_up_left(
            rounds, timing=TIMING, warmup_rounds=1, is_cold=True, num_before=num_before
        )

    assert [left(2, n) for n in (0, 5, COLD_ROUNDS - 3)] == [COLD_ROUNDS - 2, COLD_ROUNDS - 7, 1]
    assert [left(1, COLD_ROUNDS), left(0, COLD_ROUNDS)] == [0, 1]


def test_a_validator_that_was_away_for_a_day_warms_up_again() -> None:
    old = [won("alice", n) for n in range(10)]
    assert not warm_up_left(old, timing=TIMING, warmup_rounds=8)
    assert warm_up_left([*old, won("bob", 100)], timing=TIMING, warmup_rounds=8)
