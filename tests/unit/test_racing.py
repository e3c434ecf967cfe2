"""Racing, retirement and contenders."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.ids import Block
from sn37.domain.round.comparing import NO_ORIGINS
from sn37.domain.round.evidence import Evidence
from sn37.domain.round.racing import MIN_SAMPLES, Race, is_hopeless, race
from sn37.domain.round.winner import Crown, KingOfTheHill
from sn37.domain.schedule.epsilon import FixedEpsilon
from sn37.testing.contests import contest

END = 0.005


def evidence(values: list[float]) -> Evidence:
    return {Block(100): tuple(values)}


def test_a_clearly_worse_challenger_is_stopped_after_the_first_blocks() -> None:
    champion, bad = contest({"champion": 0.0, "bad": -2.0}, num_rounds=1)
    assert is_hopeless(champion.evidence, bad.evidence, epsilon_end=END)


def test_nobody_is_stopped_before_enough_samples_were_seen() -> None:
    worse = Race(margin=END).extended([1.0] * (MIN_SAMPLES - 1), [9.0] * (MIN_SAMPLES - 1))
    assert not worse.is_hopeless
    assert worse.extended([1.0], [9.0]).is_hopeless


def test_the_verdict_equals_the_formula_written_out() -> None:
    a, b = [1.0, 2.0, 1.5, 1.2] * 20, [1.2, 2.1, 1.3, 1.5] * 20

    def log_e(count: int) -> float:
        terms = [y - x * (1 - END) for x, y in zip(a[:count], b[:count], strict=True)]
        s, v = sum(terms), sum(t * t for t in terms)
        r = 0.05 * (sum(a[:count]) / count) ** 2
        x = s / math.sqrt(v + r)
        return 0.5 * math.log(r / (v + r)) + x * x / 2 + math.log(math.erfc(-x / math.sqrt(2)))

    expected = [log_e(n) >= math.log(1000) for n in range(MIN_SAMPLES, 81)]
    assert {True, False} == set(expected)
    assert expected == [
        is_hopeless(evidence(a[:n]), evidence(b[:n]), epsilon_end=END)
        for n in range(MIN_SAMPLES, 81)
    ]


def test_a_model_better_than_the_margin_is_kept() -> None:
    champion, good = contest({"champion": 0.0, "good": 0.02})
    assert not is_hopeless(champion.evidence, good.evidence, epsilon_end=END)


def test_a_copy_is_retired_once_it_cannot_reach_the_margin() -> None:
    (champion,) = contest({"champion": 0.0}, num_samples=600)
    assert is_hopeless(champion.evidence, champion.evidence, epsilon_end=END)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_losses_that_are_not_finite_are_not_raced_but_left_to_their_own_verdict(
    bad: float,
) -> None:
    assert not is_hopeless(evidence([1.0] * 64), evidence([9.0] * 63 + [bad]), epsilon_end=END)
    assert not is_hopeless(evidence([1.0] * 63 + [bad]), evidence([9.0] * 64), epsilon_end=END)


def test_against_a_champion_without_loss_nobody_is_stopped() -> None:
    assert not is_hopeless(evidence([0.0] * 64), evidence([1.0] * 64), epsilon_end=END)


losses = st.floats(0.0, 1e6)


@settings(max_examples=40)
@given(st.lists(st.tuples(losses, losses), max_size=80), st.integers(1, 80))
def test_the_verdict_does_not_depend_on_how_samples_arrive(
    pairs: list[tuple[float, float]], size: int
) -> None:
    champion, challenger = [a for a, _ in pairs], [b for _, b in pairs]
    whole = Race(margin=END).extended(champion, challenger)
    parts = Race(margin=END)
    for i in range(0, len(pairs), size):
        parts = parts.extended(champion[i : i + size], challenger[i : i + size])
    for name in ("champion", "deficit", "squares"):
        assert math.fsum(getattr(parts, name)) == math.fsum(getattr(whole, name))
    assert parts.is_hopeless == whole.is_hopeless
    split = {Block(1): champion[:size], Block(2): champion[size:]}
    theirs = {Block(1): challenger[:size], Block(2): challenger[size:]}
    pooled_race = race(
        {k: tuple(v) for k, v in split.items()},
        {k: tuple(v) for k, v in theirs.items()},
        epsilon_end=END,
    )
    assert pooled_race.is_hopeless == whole.is_hopeless


def test_different_numbers_of_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Race(margin=END).extended([1.0, 1.0], [1.0])


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0.02, 0.1, 0.3]))
def test_stopping_the_hopeless_leaves_the_winner(seed: int, noise: float) -> None:
    gains = {"champion": 0.0, "a": -0.4, "b": 0.3, "c": -0.1, "d": 0.5, "e": -1.5}
    entries = contest(gains, num_rounds=1, num_samples=96, seed=seed, noise=noise)
    champion = entries[0]
    kept = [
        e
        for e in entries
        if e is champion or not is_hopeless(champion.evidence, e.evidence, epsilon_end=END)
    ]
    epsilon, at = FixedEpsilon(END), Block(100)
    with_all = KingOfTheHill().decide(
        crown=Crown(holder=champion.key),
        contestants=entries,
        at=at,
        epsilon=epsilon,
        origins=NO_ORIGINS,
    )
    with_kept = KingOfTheHill().decide(
        crown=Crown(holder=champion.key),
        contestants=kept,
        at=at,
        epsilon=epsilon,
        origins=NO_ORIGINS,
    )
    assert with_kept.champion == with_all.champion
