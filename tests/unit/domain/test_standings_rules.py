"""Standings of a competition over its last rounds."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sn37.domain.ids import Block, BlockRef, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import RoundResult
from sn37.domain.schedule.schedule import COLD_ROUNDS, WINDOW_ROUNDS, StandingsRule
from sn37.domain.weights.standings import (
    DECAY,
    has_seen_a_window,
    paid_share,
    standings,
    warm_up_left,
)
from sn37.testing.builders import a_round_key, a_timing, an_entry_key

TIMING = a_timing()
ALICE, BOB = Hotkey("alice"), Hotkey("bob")


def won(by: str | None, index: int, *, competition: int = 1) -> RoundResult:
    """The round ``index`` cadences after block 0."""
    key = a_round_key(competition, 360 * index)
    champion = None if by is None else an_entry_key(by)
    sync = BlockRef(key.sync_block, "0x00")
    return RoundResult(key=key, sync=sync, champion=champion, missed_defences=0)


def sat_out(index: int) -> RoundResult:
    key = a_round_key(1, 360 * index)
    return RoundResult(
        key=key, sync=BlockRef(key.sync_block, "0x00"), skipped=Reason.DATA_UNAVAILABLE
    )


# Reasons for which a running validator sits a round out: others can bring about each of them.
BROUGHT_ABOUT = [
    Reason.DATA_UNAVAILABLE,
    Reason.HUB_UNAVAILABLE,
    Reason.DEVICE,
    Reason.DISK,
    Reason.OVERRUN,
]


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


def test_who_has_a_record_of_most_of_the_window_does_not_warm_up_for_want_of_rows() -> None:
    """Also one that never had rows: else a signer could keep all validators in the warm-up."""
    sat = [sat_out(n) for n in range(60)]
    for is_cold in (False, True):
        left = [
            warm_up_left(sat[:end], timing=TIMING, warmup_rounds=8, is_cold=is_cold)
            for end in (COLD_ROUNDS - 1, COLD_ROUNDS, 60)
        ]
        assert left == [COLD_ROUNDS if is_cold else 8, 0, 0]
    with_gaps = [r for r in sat if r.key.sync_block // 360 not in (37, 40, 45, 50)]
    assert not warm_up_left(with_gaps, timing=TIMING, warmup_rounds=8)
    with_more = [r for r in with_gaps if r.key.sync_block // 360 != 55]
    assert warm_up_left(with_more, timing=TIMING, warmup_rounds=8) == 8


@pytest.mark.parametrize("num_judged", range(1, 20))
def test_missing_data_does_not_end_the_warm_up_of_a_cold_validator(num_judged: int) -> None:
    judged = [won("bob", index) for index in range(num_judged)]
    rounds = [*judged, *(sat_out(index) for index in range(num_judged, COLD_ROUNDS))]

    def left(num_before: int) -> int:
        return warm_up_left(
            rounds, timing=TIMING, warmup_rounds=1, is_cold=True, num_before=num_before
        )

    assert left(0) == COLD_ROUNDS - num_judged
    assert not left(COLD_ROUNDS)


def test_who_was_away_warms_up() -> None:
    eight = [won("alice", n) for n in range(8)]
    away = [replace(sat_out(n), skipped=Reason.ABSENT) for n in range(8, 60)]
    assert warm_up_left([*eight, *away], timing=TIMING, warmup_rounds=8) == 8
    assert has_seen_a_window([*eight, *away][:COLD_ROUNDS], timing=TIMING) is False
    assert has_seen_a_window([won("alice", n) for n in range(COLD_ROUNDS)], timing=TIMING)


@pytest.mark.parametrize("why", BROUGHT_ABOUT)
def test_whatever_keeps_rounds_from_being_judged_is_no_reason_to_warm_up(why: Reason) -> None:
    sat = [replace(sat_out(n), skipped=why) for n in range(60)]
    assert warm_up_left(sat[: COLD_ROUNDS - 1], timing=TIMING, warmup_rounds=8) == 8
    assert not warm_up_left(sat, timing=TIMING, warmup_rounds=8)


def test_a_cold_validator_needs_all_its_rounds_whatever_it_lacks() -> None:
    def left(num_missing: int, num_judged: int) -> int:
        judged = [won("alice", num_missing + n) for n in range(num_judged)]
        rounds = [*map(sat_out, range(num_missing)), *judged]
        return warm_up_left(rounds, timing=TIMING, warmup_rounds=8, is_cold=True)

    assert [left(12, 12), left(13, 11)] == [COLD_ROUNDS - 12, COLD_ROUNDS - 11]


def paid(rounds: list[RoundResult], rule: StandingsRule = StandingsRule.WINDOW) -> float:
    return paid_share(rounds, timing=TIMING, rule=rule)


def test_a_competition_is_paid_in_full_while_at_most_half_of_the_window_was_sat_out() -> None:
    """Six hours without data, after a full day: five rounds of 72 minutes cost nothing."""
    day = [won("alice", n) for n in range(24)]
    shares = [paid([*day, *map(sat_out, range(24, 24 + num))]) for num in (0, 5, 6, 12, 23, 24)]
    assert shares == pytest.approx([1, 1, 0.982, 0.440, 0.019, 0], abs=1e-3)
    assert paid([]) == 1


def test_one_judged_round_in_24_no_longer_keeps_a_champion_paid() -> None:
    rounds = [won("alice", n) if n % 24 == 0 else sat_out(n) for n in range(24 * 6)]
    assert standings(rounds, timing=TIMING) == {"alice": 1.0}
    shares = [paid(rounds[:end]) for end in range(24 * 4 + 1, 24 * 5 + 1)]
    assert max(shares) == pytest.approx(2 * 0.1 / (1 - 0.9**24))
    assert math.fsum(shares) / 24 == pytest.approx(2 / 24)


def test_rounds_in_which_it_did_not_run_or_without_a_record_do_not_count() -> None:
    some = [won("alice", 0), *map(sat_out, range(20, 24))]
    away = [replace(sat_out(n), skipped=Reason.ABSENT) for n in range(1, 20)]
    assert paid([*some, *away]) == paid(some) < 1
    assert paid([won("alice", 0), *away]) == 1


@given(histories(), st.randoms(use_true_random=False))
def test_the_reason_why_a_round_was_sat_out_changes_no_pay(
    rounds: list[RoundResult], random: Random
) -> None:
    """The base model that cannot be scored or fetched is worth no more than withheld rows."""
    mixed = [replace(r, skipped=random.choice(BROUGHT_ABOUT)) if r.skipped else r for r in rounds]
    assert paid(mixed) == paid(rounds)
    assert standings(mixed, timing=TIMING) == standings(rounds, timing=TIMING)


def test_the_rule_of_existing_tools_pays_in_full() -> None:
    rounds = [won("alice", 0), *map(sat_out, range(1, 24))]
    assert paid(rounds, StandingsRule.MOVING_AVERAGE) == 1


def test_after_a_round_of_an_older_version_the_share_is_paid_in_full_as_before() -> None:
    older = [replace(won("alice", n), missed_defences=None) for n in range(3)]
    rounds = [*older, *map(sat_out, range(3, 20))]
    assert paid(rounds) == 1
    assert paid([*rounds, won("alice", 20)]) < 1


@given(histories())
def test_the_part_that_is_paid_follows_from_the_weights_of_the_rounds(
    rounds: list[RoundResult],
) -> None:
    window = rounds[-WINDOW_ROUNDS:][::-1]  # a round weighs DECAY to the power of its age
    known = sum(DECAY**age for age, r in enumerate(window) if r.skipped is None)
    total = sum(DECAY**age for age, _ in enumerate(window))
    assert paid(rounds) == (float(min(Fraction(1), 2 * known / total)) if total else 1)
    assert paid(rounds[::-1]) == paid(rounds)
    assert paid([*rounds, won("z", len(rounds))]) >= paid([*rounds, sat_out(len(rounds))])


@given(st.lists(st.booleans(), min_size=1, max_size=30).filter(any))
def test_no_pattern_of_withheld_rounds_pays_more_than_twice_the_judged_ones(
    pattern: list[bool],
) -> None:
    """Over whole periods, once the window is full: the mean of a concave function."""
    length = len(pattern)
    rounds = [
        won("alice", n) if pattern[n % length] else sat_out(n)
        for n in range(WINDOW_ROUNDS + 2 * length)
    ]
    shares = [paid(rounds[:end]) for end in range(WINDOW_ROUNDS, WINDOW_ROUNDS + length)]
    judged = sum(pattern) / length
    assert math.fsum(shares) / length <= min(1, 2 * judged) + 1e-9


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


@given(st.sets(st.integers(1, 39)), st.integers(0, 10))
def test_rounds_that_an_adopted_history_lacks_count_as_missing(
    judged: set[int], num_own: int
) -> None:
    """As they do where they were sat out for missing data."""
    first, newest = 0, 40
    own = [won("alice", newest + 1 + n) for n in range(num_own)]
    offered = [won("alice", n) for n in sorted({first, newest, *judged})]
    whole = [*offered, *(sat_out(n) for n in range(newest) if n and n not in judged)]
    adopted_until = Block(360 * newest + 100)
    share = paid_share([*offered, *own], timing=TIMING, adopted_until=adopted_until)
    assert share == paid([*whole, *own])


def test_rounds_without_a_record_count_only_between_adopted_ones() -> None:
    rounds = [won("alice", 0), won("alice", 10), won("alice", 20)]
    shares = [
        paid_share(rounds, timing=TIMING, adopted_until=Block(block))
        for block in (0, 360 * 10 - 1, 360 * 10, 360 * 20)
    ]
    assert shares[:2] == [1, 1]
    assert 1 > shares[2] > shares[3]
    recorded = [*rounds, *(replace(sat_out(n), skipped=Reason.ABSENT) for n in range(1, 10))]
    assert paid_share(recorded, timing=TIMING, adopted_until=Block(360 * 10)) == 1
