"""Canonical JSON and its digest."""

from __future__ import annotations

import json
import math
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.canonical import JsonValue, canonical_digest, canonical_json

SCALARS: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)
OBJECTS = st.dictionaries(st.text(), SCALARS, max_size=5)


def test_keys_are_sorted_spaces_left_out_and_floats_are_their_repr() -> None:
    value: JsonValue = {"b": [1, 0.1, True, None], "a": "\u00e9"}
    assert canonical_json(value) == '{"a":"\u00e9","b":[1,0.1,true,null]}'.encode()
    assert canonical_digest(value) == sha256(canonical_json(value)).hexdigest()


@given(OBJECTS)
@settings(deadline=None, max_examples=40)
def test_equal_values_have_equal_bytes_and_the_bytes_say_the_value(
    value: dict[str, JsonValue],
) -> None:
    turned = dict(reversed(value.items()))
    assert canonical_json(turned) == canonical_json(value)
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_is_an_error(number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"loss": number})
