"""What a competition may look like."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from sn37.domain.schedule.competition import (
    MOST_NEW_TOKENS,
    BaseModelRef,
    Competition,
    Freshness,
    Source,
)
from sn37.domain.schedule.methods import Method
from sn37.testing.builders import a_competition, a_source, a_task


def test_t15_a_live_source_must_be_younger_than_every_model() -> None:
    live = a_task(source=a_source(freshness=Freshness.LIVE, max_age_s=4_320))
    assert a_competition(tasks=(live,), delay_blocks=360).delay_blocks == 360
    with pytest.raises(ValueError, match=r"task text: delay_blocks 359 \(4308 s\) is shorter"):
        a_competition(tasks=(live,), delay_blocks=359)


def test_t15_one_old_source_among_several_is_found() -> None:
    tasks = (
        a_task("static", weight=0.5),
        a_task("live", weight=0.5, source=a_source(freshness=Freshness.LIVE, max_age_s=9_000)),
    )
    with pytest.raises(ValueError, match="task live: delay_blocks"):
        a_competition(tasks=tasks)


def test_a_static_source_needs_no_delay() -> None:
    assert a_competition(delay_blocks=0).delay_blocks == 0


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, math.nan])
def test_a_reward_share_is_a_positive_part_of_the_whole(share: float) -> None:
    with pytest.raises(ValueError, match="reward_share"):
        a_competition(reward_share=share)


def test_task_weights_sum_to_one() -> None:
    with pytest.raises(ValueError, match=r"task weights sum to 0\.9, not 1"):
        a_competition(tasks=(a_task("a", weight=0.6), a_task("b", weight=0.3)))
    tenths = tuple(a_task(f"t{n}", weight=0.1) for n in range(10))
    assert len(a_competition(tasks=tenths).tasks) == 10


def test_a_competition_has_tasks_with_different_names() -> None:
    with pytest.raises(ValueError, match="no tasks"):
        a_competition(tasks=())
    with pytest.raises(ValueError, match="two tasks have the same name"):
        a_competition(tasks=(a_task("a", weight=0.5), a_task("a", weight=0.5)))


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, math.inf, math.nan])
def test_a_deadline_is_positive_and_finite(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="timeout_s"):
        a_competition(timeout_s=timeout_s)


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_a_task_counts_for_something(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        a_task(weight=weight)


def test_a_task_has_samples() -> None:
    with pytest.raises(ValueError, match="num_samples 0 must be positive"):
        a_task(num_samples=0)


def test_only_a_live_source_has_an_age() -> None:
    with pytest.raises(ValueError, match="a live source needs max_age_s > 0"):
        a_source(freshness=Freshness.LIVE, max_age_s=0)
    with pytest.raises(ValueError, match="max_age_s is for live sources"):
        a_source(max_age_s=1)


@pytest.mark.parametrize("share", [0.0, 1.01, math.nan])
def test_a_signer_gives_some_share_of_a_sample(share: float) -> None:
    with pytest.raises(ValueError, match="signer_share"):
        a_source(signer_share=share)


def test_only_signed_rows_can_be_of_too_few_signers() -> None:
    signed = a_source(freshness=Freshness.LIVE, max_age_s=60, signers_netuid=18, min_signers=5)
    assert signed.min_signers == 5
    with pytest.raises(ValueError, match="min_signers 5 is for signed sources; set signers_netu"):
        a_source(min_signers=5)
    with pytest.raises(ValueError, match="min_signers -1"):
        a_source(freshness=Freshness.LIVE, max_age_s=60, signers_netuid=18, min_signers=-1)


def test_a_quarantine_that_would_take_ordinary_rows_is_refused() -> None:
    assert a_source(max_deviations=4.0).max_deviations == 4.0
    with pytest.raises(ValueError, match=r"max_deviations 3\.9 must be at least 4, or ord"):
        a_source(max_deviations=3.9)


def test_competitions_are_values() -> None:
    assert a_competition() == a_competition()
    assert isinstance(a_competition(), Competition)


SIGNED = a_source("sn18", freshness=Freshness.LIVE, signers_netuid=18)


@pytest.mark.parametrize(
    ("source", "method", "is_screened"),
    [
        (SIGNED, Method.REFERENCE_LOSS, True),
        (SIGNED, Method.TEXT_LOSS, True),
        (SIGNED, Method.MULTIPLE_CHOICE, False),
        (SIGNED, Method.INSTRUCTION_RULES, False),
        (a_source(), Method.TEXT_LOSS, False),
        (a_source(freshness=Freshness.LIVE), Method.TEXT_LOSS, False),
    ],
)
def test_only_texts_that_somebody_signs_are_held_against_a_base_model(
    source: Source, method: Method, is_screened: bool
) -> None:
    task = a_task("other", source=source, method=method, weight=0.5)
    tasks = (a_task("text", source=SIGNED, weight=0.5), task)
    rules = replace(a_competition(tasks=tasks), base_model=BASE)
    assert rules.screens(task) is is_screened
    assert not replace(rules, base_model=None).screens(task)


def test_a_base_model_with_nothing_to_screen_is_refused() -> None:
    with pytest.raises(ValueError, match="base_model is for text tasks from a signed source"):
        replace(a_competition(), base_model=BASE)


BASE = BaseModelRef(repo="base/model", revision="a" * 40)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"revision": "main"}, "base_model: revision 'main' is not a commit"),
        ({"tensor_digest": "12"}, "base_model: tensor_digest '12' is not 64 hex digits"),
        ({"max_deviations": 3.9}, "base_model: max_deviations 3.9 must be at least 4"),
        ({"max_deviations": math.nan}, "base_model: max_deviations nan must be at least 4"),
        ({"reserve": 0.0}, r"base_model: reserve 0 must be in \(0, 1\]"),
        ({"reserve": 1.5}, r"base_model: reserve 1.5 must be in \(0, 1\]"),
    ],
)
def test_a_base_model_is_pinned_and_its_limits_are_sensible(
    change: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        replace(BASE, **change)


INSTRUCTIONS = a_task("rules", method=Method.INSTRUCTION_RULES, max_new_tokens=8)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"max_new_tokens": None}, "task rules: instruction_rules needs max_new_tokens"),
        ({"max_new_tokens": 0}, "needs max_new_tokens, the tokens of the longest answer, from 1"),
        ({"max_new_tokens": MOST_NEW_TOKENS + 1}, f"from 1 to {MOST_NEW_TOKENS}"),
        ({"method": Method.TEXT_LOSS}, "max_new_tokens is for generated answers, and text_loss"),
        ({"num_samples": 33}, "num_samples 33 must be even, because questions come in pairs"),
    ],
)
def test_a_task_of_generated_answers_has_a_budget_and_whole_pairs(
    change: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        replace(INSTRUCTIONS, **change)


def test_t14_stop_texts_and_budgets_belong_to_the_competition() -> None:
    rules = replace(a_competition(tasks=(INSTRUCTIONS,)), stop=("\n\nUser:",))
    assert (rules.stop, rules.tasks[0].max_new_tokens) == (("\n\nUser:",), 8)


@pytest.mark.parametrize(
    ("stop", "why"),
    [
        (("",), "a stop text has 1 to 100 characters, not 0"),
        (("x" * 101,), "a stop text has 1 to 100 characters, not 101"),
        (tuple(map(str, range(17))), "17 stop texts, at most 16 are allowed"),
    ],
)
def test_a_stop_text_that_cannot_be_meant_is_refused(stop: tuple[str, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(a_competition(tasks=(INSTRUCTIONS,)), stop=stop)


def test_stop_texts_without_generated_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="stop is for generated answers, and no task has them"):
        replace(a_competition(), stop=("x",))


def test_an_answer_that_leaves_no_room_for_its_prompt_is_refused() -> None:
    most = a_competition().constraints.max_tokens
    tasks = (replace(INSTRUCTIONS, max_new_tokens=most),)
    with pytest.raises(ValueError, match=f"max_new_tokens {most} leaves no room for a prompt"):
        a_competition(tasks=tasks)
