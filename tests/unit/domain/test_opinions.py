"""A second opinion: which samples, and what counts as a difference."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.ids import TaskName
from sn37.domain.scoring.jobs import Implementation
from sn37.domain.scoring.opinion import (
    LEAST_ANSWERS,
    NUM_SAMPLES,
    Compared,
    View,
    compared,
    drawn_samples,
    is_of_same_kind,
    judge,
    scored_sizes,
    second_job,
)
from sn37.testing.builders import a_batch, a_job, a_sample, an_entry_key, hex_digest, losses

ALICE, TEXT = an_entry_key(), TaskName("text")


def held(*pairs: tuple[float, float], task: str = "text") -> tuple[Compared, ...]:
    return tuple(
        Compared(task=TaskName(task), position=n, ours=ours, theirs=theirs)
        for n, (ours, theirs) in enumerate(pairs)
    )


@given(st.integers(0, 400), st.integers(0, 400), st.text(max_size=8))
def test_as_many_samples_are_drawn_as_there_are_up_to_eight(one: int, two: int, seed: str) -> None:
    sizes = [(TaskName("a"), one), (TaskName("b"), two)]
    chosen = drawn_samples(sizes, hex_digest(seed))
    assert chosen == drawn_samples(sizes, hex_digest(seed))
    assert len(set(chosen)) == len(chosen) == min(NUM_SAMPLES, one + two)
    assert list(chosen) == sorted(chosen)
    assert all(0 <= position < dict(sizes)[task] for task, position in chosen)


@given(st.integers(0, 400), st.integers(0, 40), st.text(max_size=8))
def test_of_a_generated_task_as_many_are_drawn_as_say_anything(
    texts: int, rules: int, seed: str
) -> None:
    sizes = [(TEXT, texts), (TaskName("rules"), rules)]
    chosen = drawn_samples(sizes, hex_digest(seed), generated=[TaskName("rules")])
    assert set(drawn_samples(sizes, hex_digest(seed))) <= set(chosen)
    assert len([s for s in chosen if s[0] == "rules"]) >= min(LEAST_ANSWERS, rules)
    assert len(chosen) <= NUM_SAMPLES + LEAST_ANSWERS


def test_another_seed_draws_other_samples() -> None:
    sizes = [(TEXT, 320)]
    draws = {drawn_samples(sizes, hex_digest(f"seed {n}")) for n in range(50)}
    assert len(draws) == 50
    assert len({position for draw in draws for _, position in draw}) > 150


def test_the_second_job_has_the_chosen_samples_and_nothing_else_changes() -> None:
    samples = tuple(a_sample(f"row-{n}") for n in range(40))
    job = a_job(batches=(a_batch("a", samples=samples), a_batch("b", samples=samples)))
    second = second_job(replace(job, skip_blocks=2), [(TaskName("b"), 3), (TaskName("b"), 30)])
    assert second.implementation is Implementation.PLAIN
    (batch,) = second.batches
    assert (batch.task, batch.samples) == ("b", (samples[3], samples[30]))
    first = replace(second, batches=job.batches, implementation=Implementation.OURS)
    assert replace(first, question_key=None) == job


@pytest.mark.parametrize(
    ("pairs", "view"),
    [
        ([(0.006, 0.009)] * 8, View.AGREES),
        ([(0.006, 0.036)] + [(0.5, 0.5)] * 7, View.AGREES),
        ([(0.006, 0.0365)] + [(0.5, 0.5)] * 7, View.DIFFERS),
        ([(1.0, 1.006)] * 8, View.DIFFERS),
    ],
)
def test_losses_of_questions_are_not_compared_relative_to_a_mean_that_may_be_near_zero(
    pairs: list[tuple[float, float]], view: View
) -> None:
    assert judge(ALICE, held(*pairs), {}, choices={TEXT}).view is view


def test_losses_are_compared_sample_by_sample() -> None:
    ours = (
        losses(*(float(n) for n in range(16)), task="text"),
        losses(*(float(n) for n in range(16, 32)), task="text", first=16),
    )
    found = compared([(TEXT, 3), (TEXT, 20)], ours, [losses(3.5, 20.5, task="text")])
    assert found == (
        Compared(task=TEXT, position=3, ours=3.0, theirs=3.5),
        Compared(task=TEXT, position=20, ours=20.0, theirs=20.5),
    )


def test_of_one_that_was_stopped_early_only_scored_samples_are_drawn() -> None:
    blocks = [losses(task="b"), losses(task="a"), losses(task="b", first=16)]
    assert scored_sizes(blocks) == ((TaskName("b"), 32), (TaskName("a"), 16))


@pytest.mark.parametrize(
    "pairs",
    [
        [(2.0, 2.0)] * 8,
        [(2.0, 2.0003)] * 8,
        [(2.0, 2.01), (2.0, 1.99)],
        [(0.0, 0.0)],
    ],
)
def test_honest_differences_agree(pairs: list[tuple[float, float]]) -> None:
    opinion = judge(ALICE, held(*pairs), {"device": "cpu"})
    assert (opinion.view, opinion.detail) == (View.AGREES, "")
    assert opinion.environment == {"device": "cpu"}


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([(0.0, 2.0)] * 8, "text, sample 0: loss 0, 2 by the second implementation"),
        ([(2.0, 2.0)] * 7 + [(1.9, 2.0)], "text, sample 7"),
        ([(1.99, 2.0)] * 8, "mean loss 1.99 on 8 samples, 2 by"),
        ([(2.01, 2.0)] * 8, "mean loss 2.01"),
        ([(2.0, math.nan)], "is not finite"),
        ([(2.0, math.inf)], "is not finite"),
        ([(math.nan, 2.0)], "is not finite"),
        ([(0.1, 0.0)], "sample 0"),
    ],
)
def test_t50_what_honest_models_do_not_differ_by_is_named(
    pairs: list[tuple[float, float]], told: str
) -> None:
    opinion = judge(ALICE, held(*pairs), {})
    assert opinion.view is View.DIFFERS
    assert told in opinion.detail


@pytest.mark.parametrize("lost", [1, 3, 8])
def test_t48_a_lost_sample_of_the_eight_costs_its_loss_and_convicts_nobody(lost: int) -> None:
    """On a GPU float16 overflows where float32 does not. One odd row ended a champion."""
    worst = {TEXT: 24.0}
    pairs = held(*[(24.0, 2.0)] * lost, *[(2.0, 2.0003)] * (8 - lost))
    assert judge(ALICE, pairs, {}, worst=worst).view is View.AGREES
    assert judge(ALICE, pairs, {}).view is View.DIFFERS
    assert judge(ALICE, pairs, {}, worst=worst).samples == pairs


@pytest.mark.parametrize("ours", [16.0, 2.0, 0.0, 24 * (1 - 2**-20)])
def test_t50_no_other_loss_is_left_out(ours: float) -> None:
    pairs = held(*[(2.5, 2.5)] * 7, (ours, 2.5))
    assert judge(ALICE, pairs, {}, worst={TEXT: 24.0}).view is View.DIFFERS
    assert judge(ALICE, pairs, {}, worst={TaskName("another"): ours}).view is View.DIFFERS


def test_t50_one_forged_task_does_not_hide_behind_a_large_one() -> None:
    samples = (*held(*[(9.0, 9.0)] * 7), *held((0.05, 0.06), task="small"))
    assert judge(ALICE, samples, {}).detail.startswith("small, sample 0")


def test_how_a_host_is_closed_off_changes_no_number() -> None:
    one = {"device": "cpu", "torch": "2", "sandbox": "weak"}
    assert is_of_same_kind(one, one | {"sandbox": "full"})
    assert not is_of_same_kind(one, one | {"torch": "3"})
    assert not is_of_same_kind(one, {})


@pytest.mark.parametrize(
    ("pairs", "view"),
    [
        ([(0.0, 1.0)] * 3, View.AGREES),  # too few to say anything
        ([(0.0, 1.0)] * 4, View.DIFFERS),
        ([(0.25, 0.75)] * 8, View.AGREES),
        ([(0.2, 0.75)] * 8, View.DIFFERS),
        ([(1.0, 0.0)] * 8, View.AGREES),  # nobody gains by it
        ([(0.0, 1.0), (1.0, 0.0)] * 4, View.AGREES),  # as on a GPU
    ],
)
def test_t50_generated_answers_are_compared_by_the_mean_gain_alone(
    pairs: list[tuple[float, float]], view: View
) -> None:
    opinion = judge(ALICE, held(*pairs), {}, choices={TEXT}, generated={TEXT})
    assert opinion.view is view
    assert (view is View.DIFFERS) == ("by the second implementation" in opinion.detail)


def test_t50_a_forged_text_task_does_not_hide_behind_answers() -> None:
    forged = judge(ALICE, held(*[(0.0, 2.0)] * 8), {}, generated={TaskName("rules")})
    assert forged.view is View.DIFFERS
