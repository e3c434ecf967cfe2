"""Findings of pydantic, in words for people."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sn37.wrong_values import reason, shown


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            {"type": "int_parsing", "msg": "Input should be a valid integer"},
            "expected a whole number",
        ),
        ({"type": "greater_than_equal", "msg": "", "ctx": {"ge": 1}}, "expected at least 1"),
        ({"type": "path_type", "msg": "<class 'pathlib.Path'>"}, "expected a path"),
        ({"type": "missing", "msg": "Field required"}, "missing"),
        ({"type": "extra_forbidden", "msg": "Extra inputs"}, "unknown key"),
        ({"type": "value_error", "msg": "Value error, expected a name"}, "expected a name"),
        ({"type": "of a later pydantic", "msg": "Some text"}, "some text"),
    ],
)
def test_a_finding_becomes_one_clause(problem: dict[str, object], said: str) -> None:
    assert reason(problem) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x", "'x'"),
        (Path("/a"), "'/a'"),
        (date(2026, 1, 2), "2026-01-02"),
        (True, "true"),
        ("y" * 99, f"'{'y' * 56}..."),
    ],
)
def test_a_value_is_shown_as_it_was_typed_and_cut_when_it_is_long(value: object, said: str) -> None:
    assert shown(value) == said
