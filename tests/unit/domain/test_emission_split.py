"""Splitting the emission between competitions and their winners."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.ids import CompetitionId, Hotkey
from sn37.domain.weight_vector import WeightVector
from sn37.domain.weights.emission import split_emission

ONE, TWO = CompetitionId(1), CompetitionId(2)
ALICE, BOB, BURN = Hotkey("alice"), Hotkey("bob"), Hotkey("burn")

Standings = Mapping[CompetitionId, Mapping[Hotkey, float]]
SHARES = st.dictionaries(
    st.integers(1, 5).map(CompetitionId), st.floats(0.01, 1), min_size=1, max_size=5
)
STANDINGS = st.dictionaries(
    st.integers(1, 6).map(CompetitionId),
    st.dictionaries(st.sampled_from("abcdefgh").map(Hotkey), st.floats(0, 1), max_size=6),
    max_size=6,
)


def test_weights_are_the_sum_of_share_times_standing() -> None:
    weights = split_emission({ONE: 0.7, TWO: 0.3}, {ONE: {ALICE: 1.0}, TWO: {ALICE: 0.5, BOB: 0.5}})
    assert weights.shares == pytest.approx({ALICE: 0.85, BOB: 0.15}, abs=1e-15)


@pytest.mark.parametrize("empty", [{}, {ONE: {}}, {ONE: {BOB: 0.0}}])
def test_a_competition_without_standings_gives_its_share_to_the_others(empty: Standings) -> None:
    weights = split_emission({ONE: 0.7, TWO: 0.3}, {**empty, TWO: {ALICE: 1.0}})
    assert weights.shares == {ALICE: 1.0}


def test_a_competition_without_standings_is_burned_when_the_schedule_says_so() -> None:
    weights = split_emission({ONE: 0.7, TWO: 0.3}, {TWO: {ALICE: 1.0}}, burn=BURN)
    assert weights.shares == pytest.approx({BURN: 0.7, ALICE: 0.3})
    assert split_emission({ONE: 1.0}, {}, burn=BURN).shares == {BURN: 1.0}


def test_what_a_competition_does_not_pay_goes_where_the_share_without_standings_goes() -> None:
    shares, held = {ONE: 0.7, TWO: 0.3}, {ONE: {ALICE: 1.0}, TWO: {BOB: 1.0}}
    weights = split_emission(shares, held, paid={ONE: 0.5}, burn=BURN).shares
    assert weights == pytest.approx({ALICE: 0.35, BOB: 0.3, BURN: 0.35})
    weights = split_emission(shares, held, paid={ONE: 0.5}).shares
    assert weights == pytest.approx({ALICE: 0.35 / 0.65, BOB: 0.3 / 0.65})
    alone = split_emission({ONE: 1.0}, {ONE: {ALICE: 1.0}}, paid={ONE: 0.5}).shares
    assert alone == {ALICE: 1.0}  # nobody else can be paid
    with pytest.raises(ValueError, match="no competition with a share has standings"):
        split_emission({ONE: 1.0}, {ONE: {ALICE: 1.0}}, paid={ONE: 0.0})


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1, 1.1])
def test_a_competition_cannot_pay_more_than_its_share(bad: float) -> None:
    with pytest.raises(ValueError, match="pays 0 to 1 of its share"):
        split_emission({ONE: 1.0}, {ONE: {ALICE: 1.0}}, paid={ONE: bad})


@given(SHARES, STANDINGS, st.dictionaries(st.integers(1, 5).map(CompetitionId), st.floats(0.01, 1)))
@settings(max_examples=40)
def test_no_hotkey_but_the_burned_gets_more_when_less_is_paid(
    shares: dict[CompetitionId, float],
    standings: dict[CompetitionId, dict[Hotkey, float]],
    paid: dict[CompetitionId, float],
) -> None:
    full = split_emission(shares, standings, burn=BURN).shares
    less = split_emission(shares, standings, paid=paid, burn=BURN).shares
    assert math.fsum(less.values()) == pytest.approx(1, abs=1e-9)
    assert all(less.get(h, 0) <= full[h] + 1e-12 for h in full if h != BURN)
    assert (
        split_emission(shares, standings, paid=dict.fromkeys(shares, 1.0), burn=BURN).shares == full
    )


def test_standings_of_a_competition_that_no_longer_runs_count_for_nothing() -> None:
    assert split_emission({ONE: 1.0}, {ONE: {ALICE: 1.0}, TWO: {BOB: 1.0}}).shares == {ALICE: 1.0}


def test_who_gets_nothing_is_not_listed() -> None:
    assert split_emission({ONE: 1.0}, {ONE: {ALICE: 1.0, BOB: 0.0}}).shares == {ALICE: 1.0}


def test_with_nobody_to_pay_there_are_no_weights() -> None:
    with pytest.raises(ValueError, match="no competition with a share has standings"):
        split_emission({ONE: 1.0}, {})
    with pytest.raises(ValueError, match="no competition with a share has standings"):
        split_emission({ONE: 0.0}, {ONE: {ALICE: 1.0}})


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1])
def test_a_bad_number_never_becomes_a_weight(bad: float) -> None:
    with pytest.raises(ValueError, match="finite and non-negative"):
        split_emission({ONE: bad}, {ONE: {ALICE: 1.0}})
    with pytest.raises(ValueError, match="finite and non-negative"):
        split_emission({ONE: 1.0}, {ONE: {ALICE: 1.0, BOB: bad}})
    with pytest.raises(ValueError, match=r"share of bob must be between 0 and 1"):
        WeightVector({ALICE: 1.0, BOB: bad})


@pytest.mark.parametrize("shares", [{ALICE: 1e308, BOB: 1e308}, {ALICE: 1.5}])
def test_a_share_above_one_is_refused_before_the_sum(shares: dict[Hotkey, float]) -> None:
    with pytest.raises(ValueError, match=r"share of alice must be between 0 and 1"):
        WeightVector(shares)


def test_weights_must_sum_to_one() -> None:
    with pytest.raises(ValueError, match=r"must sum to 1, not 0.9"):
        WeightVector({ALICE: 0.9})
    with pytest.raises(ValueError, match=r"must sum to 1, not 1.00000001"):
        WeightVector({ALICE: 1.0, BOB: 1e-8})


@given(SHARES, STANDINGS, st.one_of(st.none(), st.just(BURN)))
@settings(max_examples=40)
def test_weights_are_finite_positive_and_sum_to_one_whatever_the_standings(
    shares: dict[CompetitionId, float],
    standings: dict[CompetitionId, dict[Hotkey, float]],
    burn: Hotkey | None,
) -> None:
    somebody = any(math.fsum(standings.get(c, {}).values()) > 0 for c in shares)
    if burn is None and not somebody:
        with pytest.raises(ValueError, match="no competition"):
            split_emission(shares, standings, burn=burn)
        return
    weights = split_emission(shares, standings, burn=burn).shares
    assert all(0 < share <= 1 + 1e-9 for share in weights.values())
    assert math.fsum(weights.values()) == pytest.approx(1, abs=1e-9)


@given(SHARES, STANDINGS)
@settings(max_examples=40)
def test_the_order_of_competitions_and_hotkeys_does_not_matter(
    shares: dict[CompetitionId, float], standings: dict[CompetitionId, dict[Hotkey, float]]
) -> None:
    turned = {c: dict(reversed(s.items())) for c, s in reversed(standings.items())}
    one = split_emission(shares, standings, burn=BURN)
    two = split_emission(dict(reversed(shares.items())), turned, burn=BURN)
    assert list(one.shares.items()) == list(two.shares.items())
