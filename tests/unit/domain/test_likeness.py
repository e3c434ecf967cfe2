"""Entries whose losses are nearly those of an earlier one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.epsilon import FixedEpsilon
from sn37.domain.ids import Block, EntryKey
from sn37.domain.likeness import ALIKE, MIN_SAMPLES, alike
from sn37.domain.winner import Contestant, KingOfTheHill
from sn37.testing.contests import contest, contestant

LITTLE = ALIKE / 4  # noise of a copy, as a share of the mean loss; the mean distance is less


def by_name(contestants: Sequence[Contestant]) -> dict[str, str]:
    return {later.hotkey: earlier.hotkey for later, earlier in alike(contestants).items()}


def test_t05_an_entry_with_nearly_the_losses_of_an_earlier_one_is_told_of() -> None:
    original, copy = contest({"original": 0.0, "copy": 0.0}, noise=LITTLE)
    assert alike([original, copy]) == {copy.key: original.key}


def test_t05_the_earlier_of_two_is_never_named_whichever_came_first_to_us() -> None:
    entries = contest({"original": 0.0, "copy": 0.0, "copy of it": 0.001}, noise=LITTLE)
    expected = {"copy": "original", "copy of it": "original"}
    assert by_name(entries) == by_name(entries[::-1]) == expected


@pytest.mark.parametrize(("gain", "noise"), [(0.0, 0.05), (0.02, 0.0), (-0.02, 0.0)])
def test_a_model_of_its_own_is_like_no_other(gain: float, noise: float) -> None:
    assert by_name(contest({"one": 0.0, "other": gain}, noise=noise)) == {}


def test_few_samples_in_common_show_nothing() -> None:
    losses = [1.0] * MIN_SAMPLES
    first = contestant("first", {100: losses}, block=1)
    short = contestant("short", {100: losses[1:], 200: losses}, block=2)
    assert alike([first, short]) == {}
    whole = contestant("whole", {100: losses, 200: losses}, block=3)
    assert by_name([first, short, whole]) == {"whole": "first"}


def test_a_copy_that_was_stopped_early_is_seen_by_the_samples_that_it_has() -> None:
    original, copy = contest({"original": 0.0, "copy": 0.0}, num_rounds=1, noise=LITTLE)
    stopped = replace(copy, evidence={Block(100): copy.evidence[Block(100)][:MIN_SAMPLES]})
    assert alike([original, stopped]) == {copy.key: original.key}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_t10_losses_that_are_not_finite_are_like_nothing(bad: float) -> None:
    entries = [contestant(name, {100: [bad] * 64}, block=b) for b, name in enumerate("ab")]
    assert alike(entries) == {}


@given(
    gains=st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.1]), max_size=5),
    noise=st.sampled_from([0.0, LITTLE, 0.02]),
    random=st.randoms(use_true_random=False),
)
def test_t05_likeness_points_to_the_past_and_not_to_the_order_of_input(
    gains: list[float], noise: float, random: Random
) -> None:
    entries = contest({f"hk{i}": gain for i, gain in enumerate(gains)}, noise=noise)
    precedence = {e.key: e.precedence for e in entries}
    found = alike(entries)
    assert all(precedence[earlier] < precedence[later] for later, earlier in found.items())
    assert all(earlier not in found for earlier in found.values() if noise == 0)
    random.shuffle(entries)
    assert alike(entries) == found


@pytest.mark.parametrize("champion", [None, "original", "copy"])
def test_t05_a_near_copy_takes_no_crown_from_the_one_it_is_like(champion: str | None) -> None:
    original, copy = contest(
        {"original": 0.0, "copy": 0.0}, num_rounds=9, num_samples=300, noise=LITTLE
    )
    keys: dict[str | None, EntryKey] = {"original": original.key, "copy": copy.key}
    decision = KingOfTheHill().decide(
        champion=keys.get(champion),
        contestants=[copy, original],
        at=Block(2_000),
        epsilon=FixedEpsilon(ALIKE),
    )
    assert decision.champion == keys[champion or "original"]
