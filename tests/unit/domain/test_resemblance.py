"""Entries that are nearly an earlier one's model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.data.batches import BLOCK_SAMPLES, interleave
from sn37.domain.ids import EntryKey, TaskName
from sn37.domain.round.near_duplicates import MIN_SAMPLES, NEAR, distance, resembled
from sn37.domain.scoring.jobs import BlockLosses, as_float32
from sn37.testing.builders import an_entry_key

ALICE, BOB, CAROL = (an_entry_key(name) for name in ("alice", "bob", "carol"))


def blocks(losses: Sequence[float], task: str = "pairs") -> tuple[BlockLosses, ...]:
    return tuple(
        BlockLosses(block=b, losses=tuple(losses[b.first : b.stop]), tokens=0, seconds=0.0)
        for b in interleave(((TaskName(task), len(losses)),))
    )


def texts(count: int = 320, *, spread: float = 0.5, seed: int = 37) -> list[float]:
    random = Random(seed)
    return [random.gauss(2.5, spread) for _ in range(count)]


def noisy(losses: Sequence[float], width: float, seed: int = 5) -> list[float]:
    random = Random(seed)
    return [loss + random.gauss(0.0, width) for loss in losses]


def test_t05_a_copy_with_a_little_noise_is_flagged_as_the_earlier_ones() -> None:
    original = texts()
    journal = {ALICE: blocks(original), BOB: blocks(noisy(original, 0.004))}
    assert resembled(journal, [ALICE, BOB]) == {BOB: ALICE}


def test_t05_the_earlier_of_two_is_never_flagged_whatever_the_later_does() -> None:
    copy = texts()
    journal = {ALICE: blocks(noisy(copy, 0.001)), BOB: blocks(copy)}
    assert ALICE not in resembled(journal, [ALICE, BOB])


def test_t05_a_fine_tune_of_the_same_base_is_nobodys_copy() -> None:
    original = texts()
    tuned = noisy(original, 0.5 * math.sqrt(2 * (1 - 0.98)))  # correlated by 0.98
    assert resembled({ALICE: blocks(original), BOB: blocks(tuned)}, [ALICE, BOB]) == {}


def test_t05_of_several_copies_each_resembles_the_earliest() -> None:
    original = texts()
    journal = {
        ALICE: blocks(original),
        BOB: blocks(noisy(original, 0.004, seed=1)),
        CAROL: blocks(noisy(original, 0.004, seed=2)),
    }
    assert resembled(journal, [ALICE, BOB, CAROL]) == {BOB: ALICE, CAROL: ALICE}


def test_t05_a_copy_that_was_stopped_early_is_compared_on_what_it_was_scored_on() -> None:
    original = texts()
    early = blocks(noisy(original, 0.004))[: 48 // BLOCK_SAMPLES]
    assert resembled({ALICE: blocks(original), BOB: early}, [ALICE, BOB]) == {BOB: ALICE}


def test_a_copy_has_to_be_one_in_every_task() -> None:
    original, other = texts(), texts(seed=9)
    ours = (*blocks(original, "a"), *blocks(original, "b"))
    assert distance(ours, (*blocks(original, "a"), *blocks(other, "b"))) > 1
    assert distance(ours, ours) == 0


def test_tasks_of_one_alone_are_no_resemblance() -> None:
    original = texts()
    assert distance((*blocks(original, "a"), *blocks(original, "b")), blocks(original, "a")) == (
        math.inf
    )


@pytest.mark.parametrize("count", [1, MIN_SAMPLES - 1])
def test_few_samples_tell_nothing(count: int) -> None:
    assert distance(blocks(texts(count)), blocks(texts(count))) == math.inf


def test_an_entry_without_losses_resembles_nobody() -> None:
    assert resembled({ALICE: blocks(texts())}, [ALICE, BOB]) == {}
    assert resembled({}, [ALICE, BOB]) == {}


def test_losses_that_are_all_the_same_tell_nothing() -> None:
    assert distance(blocks([2.5] * 64), blocks([2.5] * 64)) == math.inf


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_resembles_nothing(bad: float) -> None:
    original = texts()
    broken = [*original[:-1], bad]
    assert distance(blocks(original), blocks(broken)) == math.inf
    assert distance(blocks(broken), blocks(broken)) == math.inf


@pytest.mark.parametrize("huge", [1e39, 1e200, -1e200, 1.7e308])
@pytest.mark.parametrize("first", [0, 40, 319])
def test_a_loss_beyond_float32_is_as_good_as_infinite(huge: float, first: int) -> None:
    original = texts()
    broken = [*original[:first], huge, *original[first + 1 :]]
    assert distance(blocks(original), blocks(broken)) == math.inf
    assert distance(blocks(broken), blocks(original)) == math.inf
    assert distance(blocks(broken), blocks(broken)) == math.inf
    both = [huge, -huge, *original[2:]]
    assert distance(blocks(both), blocks(original)) == math.inf


def test_the_largest_losses_of_float32_can_be_compared() -> None:
    largest = [3.4e38 * (-1) ** i for i in range(64)]
    assert distance(blocks(largest), blocks(largest)) == 0
    assert distance(blocks(largest), blocks([-x for x in largest])) == pytest.approx(2)


def test_losses_are_compared_as_every_validator_has_them_in_float32() -> None:
    original = texts()
    measured = as_float32(original)
    assert distance(blocks(original), blocks(measured)) == 0


@given(st.floats(0.01, 100), st.floats(0, 0.1), st.integers(0, 2**32))
def test_a_distance_does_not_depend_on_the_unit_of_losses(
    unit: float, width: float, seed: int
) -> None:
    original = texts(64, seed=seed)
    other = noisy(original, width, seed=seed)
    scaled = distance(blocks([unit * x for x in original]), blocks([unit * x for x in other]))
    plain = distance(blocks(original), blocks(other))
    assert math.isclose(scaled, plain, rel_tol=1e-5, abs_tol=1e-5)


@given(st.permutations([ALICE, BOB, CAROL]))
def test_k_clones_flag_only_what_came_later(order: list[EntryKey]) -> None:
    original = texts(64)
    journal = {key: blocks(noisy(original, NEAR / 100, seed=i)) for i, key in enumerate(order)}
    assert resembled(journal, order) == dict.fromkeys(order[1:], order[0])
