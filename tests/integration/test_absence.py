"""Validators that miss rounds, at reduced size, seeded; ``sn37 simulate missed-rounds`` in full."""

from __future__ import annotations

from sn37.app.simulate.absence import Habit, figures
from sn37.app.simulate.market import Rules

HABITS = (
    Habit(name="always there"),
    Habit(name="misses a fifth", missed=0.2),
    Habit(name="catches up", missed=0.2, catches_up=True),
)


def test_rounds_that_are_scored_later_bring_a_validator_back_to_the_others() -> None:
    found = figures(
        Rules(samples=200),
        HABITS,
        rounds=300,
        num_runs=3,
        seed=1,
        noise=0.004,
        progress=lambda *_: None,
    )
    values = {f.name: f.value for f in found}
    apart = "rounds with another champion"
    assert values[f"always there: {apart}"] < 0.1
    assert values[f"misses a fifth: {apart}"] > 2 * values[f"catches up: {apart}"]
    assert values["misses a fifth: overlap of weights"] < values["catches up: overlap of weights"]


def test_the_same_seed_gives_the_same_figures() -> None:
    first, again = (
        figures(
            Rules(samples=64),
            HABITS,
            rounds=60,
            num_runs=1,
            seed=3,
            noise=0.004,
            progress=lambda *_: None,
        )
        for _ in range(2)
    )
    assert first == again
