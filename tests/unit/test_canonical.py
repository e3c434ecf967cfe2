"""Values of the domain as JSON, the same text on every machine."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.canonical import as_json, canonical_digest, canonical_json, fields_as_json
from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.reasons import Reason

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@dataclass(frozen=True, slots=True)
class Sack:
    names: frozenset[str]
    path: PurePosixPath


@given(values)
def test_what_is_json_already_stays_as_it_is(value: object) -> None:
    assert as_json(value) == value
    assert json.loads(canonical_json(as_json(value))) == value


def test_a_value_becomes_its_fields() -> None:
    assert as_json(EntryKey(Hotkey("a"), Block(3))) == {"hotkey": "a", "block": 3}
    assert as_json((Reason.NORM, datetime(2026, 1, 2, tzinfo=UTC))) == [
        "norm",
        "2026-01-02T00:00:00+00:00",
    ]


def test_the_order_of_a_set_does_not_show() -> None:
    sack = Sack(names=frozenset({"c", "a", "b"}), path=PurePosixPath("/x"))
    assert as_json(sack) == {"names": ["a", "b", "c"], "path": "/x"}


def test_numbers_that_json_cannot_say_become_words() -> None:
    assert as_json([math.nan, math.inf, -math.inf]) == ["nan", "inf", "-inf"]


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_canonical_json_refuses_what_json_cannot_say(number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(number)


def test_something_foreign_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot convert object to JSON"):
        as_json(object())


def test_a_digest_is_the_sha256_of_the_text() -> None:
    assert canonical_json({"b": 1.0, "a": "é"}) == '{"a":"é","b":1.0}'.encode()
    assert canonical_digest({}) == (
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )


def test_only_a_dataclass_has_fields() -> None:
    sack = Sack(frozenset({"a"}), PurePosixPath("b"))
    assert fields_as_json(sack) == as_json(sack)
    with pytest.raises(TypeError, match="a dict has no fields"):
        fields_as_json({})
