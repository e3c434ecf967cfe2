"""Values written as TOML are the same values when they are read."""

from __future__ import annotations

import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.app.config.toml_writer import key_text, value_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(min_value=-(2**63), max_value=2**63 - 1)
SCALARS = st.booleans() | INTEGERS | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20
)


@given(key=TEXTS, value=VALUES)
def test_every_value_is_read_as_it_was(key: str, value: object) -> None:
    text = f"{key_text(key)} = {value_text(value)}"
    assert "\n" not in text
    assert tomllib.loads(text) == {key: value}


@given(value=SCALARS)
def test_a_whole_number_stays_one_and_a_fraction_too(value: object) -> None:
    read = tomllib.loads(f"x = {value_text(value)}")["x"]
    assert type(read) is type(value)


def test_no_number_is_written_so_that_it_is_read_as_no_number() -> None:
    assert math.isnan(tomllib.loads(f"x = {value_text(math.nan)}")["x"])


def test_tuples_are_arrays_and_keys_without_a_value_are_left_out() -> None:
    assert value_text((1, ("a", 2.5))) == '[1, ["a", 2.5]]'
    assert value_text({"a": None, "b c": 1}) == '{ "b c" = 1 }'


def test_half_of_a_surrogate_pair_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        value_text("\ud800")


def test_what_toml_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="TOML has no value for"):
        value_text(object())
