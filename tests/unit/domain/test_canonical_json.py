"""Canonical JSON and its digest."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from hashlib import sha256
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.canonical import (
    ADDED_LATER,
    JsonValue,
    as_json,
    canonical_digest,
    canonical_json,
)
from sn37.domain.ids import CompetitionId
from sn37.domain.reasons import Reason
from sn37.domain.schedule.epsilon import FixedEpsilon
from sn37.testing.builders import a_schedule, an_entry_key


class Colour(Enum):
    RED = 1


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
@settings(max_examples=40)
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


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        ("text", "text"),
        (0.5, 0.5),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (Colour.RED, 1),
        (Reason.NORM, "norm"),
        ({Reason.NORM: (1, 2.0)}, {"norm": [1, 2.0]}),
        ([CompetitionId(4)], [4]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (PurePosixPath("a") / "b", "a/b"),
        (FixedEpsilon(0.5), {"value": 0.5}),
        (an_entry_key("alice", 7), {"hotkey": "alice", "block": 7}),
    ],
)
def test_values_of_the_domain_have_a_json_form(value: object, expected: JsonValue) -> None:
    found = as_json(value)
    assert found == expected
    assert type(found) is type(expected)


def test_a_whole_schedule_has_a_fingerprint_that_sees_every_number() -> None:
    fingerprint = canonical_digest(as_json(a_schedule()))
    assert fingerprint == canonical_digest(as_json(a_schedule()))
    assert fingerprint != canonical_digest(as_json(a_schedule(max_new_entries=19)))


def test_what_is_no_value_of_the_domain_has_no_json_form() -> None:
    with pytest.raises(TypeError, match="cannot convert object to JSON"):
        as_json([object()])


@dataclass(frozen=True)
class Rules:
    size: int = 1
    limit: int = field(default=0, metadata=ADDED_LATER)


def test_a_field_that_was_added_later_is_left_out_at_its_default_only() -> None:
    assert as_json(Rules()) == {"size": 1}
    assert as_json(Rules(limit=2)) == {"size": 1, "limit": 2}
