"""The margin against the champion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.ids import Block
from sn37.domain.schedule.epsilon import FixedEpsilon, LinearEpsilon

VECTORS = json.loads((Path(__file__).parents[1] / "data/epsilon_linear.json").read_text())

blocks = st.integers(0, 10**8).map(Block)


@pytest.mark.parametrize("vector", VECTORS)
def test_linear_decay_equals_that_of_existing_networks(vector: dict[str, float]) -> None:
    epsilon = LinearEpsilon(
        start=vector["start"], stop=vector["end"], decay_blocks=int(vector["decay_blocks"])
    )
    value = epsilon.at(
        committed=Block(int(vector["model_block"])), now=Block(int(vector["current_block"]))
    )
    assert value == pytest.approx(vector["epsilon"], rel=1e-12)


@settings(max_examples=50)
@given(blocks, blocks)
def test_a_fixed_margin_ignores_age(committed: Block, now: Block) -> None:
    epsilon = FixedEpsilon(0.005)
    assert epsilon.at(committed=committed, now=now) == epsilon.end == 0.005


@settings(max_examples=50)
@given(blocks, blocks, blocks)
def test_a_linear_margin_never_grows_and_stays_between_its_ends(
    committed: Block, one: Block, other: Block
) -> None:
    epsilon = LinearEpsilon(start=0.05, stop=0.01, decay_blocks=7200)
    sooner, later = (epsilon.at(committed=committed, now=b) for b in sorted((one, other)))
    assert 0.05 >= sooner >= later >= epsilon.end - 1e-15
    assert epsilon.end == 0.01


def test_a_commitment_in_the_future_counts_as_age_zero() -> None:
    epsilon = LinearEpsilon(start=0.05, stop=0.01, decay_blocks=7200)
    assert epsilon.at(committed=Block(900), now=Block(100)) == 0.05


@pytest.mark.parametrize("value", [-0.001, 1.0, float("nan")])
def test_a_margin_outside_zero_to_one_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        FixedEpsilon(value)


def test_a_growing_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="must not grow"):
        LinearEpsilon(start=0.01, stop=0.05, decay_blocks=10)


def test_a_decay_over_no_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="decay_blocks must be positive"):
        LinearEpsilon(start=0.05, stop=0.01, decay_blocks=0)
