"""Bringing raw scores to one scale."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.schedule.normalization import Identity, InverseExponential

VECTORS = json.loads((Path(__file__).parents[1] / "data/inverse_exponential.json").read_text())

losses = st.floats(0, 100)


@pytest.mark.parametrize("vector", VECTORS)
def test_inverse_exponential_equals_that_of_existing_networks(vector: dict[str, float]) -> None:
    value = InverseExponential(vector["ceiling"]).apply(vector["score"])
    assert value == pytest.approx(vector["normalised"], rel=1e-12)


@settings(max_examples=50)
@given(losses)
def test_identity_leaves_a_score_as_it_is(raw: float) -> None:
    assert Identity().apply(raw) == raw
    assert Identity().scale == 1.0


@settings(max_examples=50)
@given(losses, losses)
def test_inverse_exponential_keeps_the_order_and_ends_at_one(one: float, other: float) -> None:
    norm = InverseExponential(40.0)
    low, high = sorted((one, other))
    assert 0 <= norm.apply(low) <= norm.apply(high) <= 1
    assert norm.scale == 40.0


def test_nan_stays_nan() -> None:
    assert math.isnan(InverseExponential(20.0).apply(math.nan))


def test_an_absurdly_negative_score_does_not_raise() -> None:
    assert InverseExponential(20.0).apply(-1e30) == -math.inf


@pytest.mark.parametrize("ceiling", [0.0, -1.0, math.inf, math.nan])
def test_a_ceiling_that_is_not_positive_and_finite_is_refused(ceiling: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        InverseExponential(ceiling)
