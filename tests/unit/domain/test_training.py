"""The order of samples, the learning rate, and when training ends."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.training import Decay, Evaluated, Order, Recipe, best_of, is_stalled

RECIPE = Recipe(steps=100, batch_samples=4, learning_rate=1.0, warmup_steps=10, patience=2)


def evaluations(*scores: float) -> list[Evaluated]:
    """Of the base first."""
    return [Evaluated(step=10 * n, score=score) for n, score in enumerate(scores)]


@given(count=st.integers(1, 40), size=st.integers(1, 50), seed=st.integers(0, 9), epochs=st.just(3))
def test_every_sample_is_learnt_once_an_epoch(
    count: int, size: int, seed: int, epochs: int
) -> None:
    order = Order(count=count, seed=seed)
    steps = math.ceil(epochs * count / size)
    stream = [n for step in range(steps) for n in order.batch(step, size)]
    for epoch in range(epochs):
        assert sorted(stream[epoch * count : (epoch + 1) * count]) == list(range(count))


@given(count=st.integers(1, 40), size=st.integers(1, 50), step=st.integers(0, 100))
def test_a_step_has_the_same_samples_whatever_came_before(count: int, size: int, step: int) -> None:
    walked = Order(count=count, seed=1)
    for earlier in range(step):
        walked.batch(earlier, size)
    assert walked.batch(step, size) == Order(count=count, seed=1).batch(step, size)


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    order = Order(count=30, seed=0)
    orders = {order.batch(0, 30), order.batch(1, 30), Order(count=30, seed=1).batch(0, 30)}
    assert len(orders) == 3


def test_without_samples_there_is_no_order() -> None:
    with pytest.raises(ValueError, match="no sample to train on"):
        Order(count=0, seed=0)


def test_the_rate_rises_in_the_warm_up_and_falls_to_a_tenth() -> None:
    rates = [RECIPE.learning_rate_at(step) for step in range(101)]
    assert rates[:10] == pytest.approx([n / 10 for n in range(1, 11)])
    assert rates[10] == 1.0
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[100] == pytest.approx(0.1)


def test_a_constant_rate_stays_where_it_is() -> None:
    recipe = replace(RECIPE, decay=Decay.CONSTANT)
    assert {recipe.learning_rate_at(step) for step in range(10, 101)} == {1.0}


def test_weights_are_scored_every_so_often_and_at_the_end() -> None:
    recipe = replace(RECIPE, steps=25, evaluate_steps=10)
    assert [step for step in range(1, 26) if recipe.is_evaluated(step)] == [10, 20, 25]


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ((1.0, 3.0, 2.0, 2.0), 20),  # the earliest of equals; the base does not count
        ((1.0, math.nan, 5.0), 20),
        ((1.0, math.inf), None),
        ((1.0,), None),
    ],
)
def test_the_best_weights_are_the_trained_ones_with_the_lowest_score(
    scores: tuple[float, ...], best: int | None
) -> None:
    found = best_of(evaluations(*scores))
    assert (found and found.step) == best


@pytest.mark.parametrize(
    ("scores", "stalled"),
    [
        ((5.0, 4.0), False),  # too few to tell
        ((5.0, 4.0, 4.5), False),
        ((5.0, 4.0, 4.5, 4.0), True),
        ((5.0, 4.0, 4.5, 3.9), False),
        ((math.nan, math.nan, math.nan), True),
        ((math.nan, math.nan, 7.0), False),
    ],
)
def test_training_stalls_when_the_last_scores_bring_no_gain(
    scores: tuple[float, ...], stalled: bool
) -> None:
    assert is_stalled(evaluations(*scores), RECIPE) is stalled


def test_a_gain_that_is_too_small_counts_as_none() -> None:
    recipe = replace(RECIPE, min_gain=0.05)
    assert is_stalled(evaluations(5.0, 4.0, 3.9, 3.85), recipe)
    assert not is_stalled(evaluations(5.0, 4.0, 3.9, 3.75), recipe)


def test_without_patience_training_never_stalls() -> None:
    assert not is_stalled(evaluations(1.0, 2.0, 3.0, 4.0), replace(RECIPE, patience=0))
