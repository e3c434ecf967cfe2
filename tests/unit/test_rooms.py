"""The house: rooms do not import in circles, and the document shows them as they are."""

from __future__ import annotations

import sys

import pytest

from tests.support.rooms import DOCUMENT, DRAWN, arrows, circles, outside, with_drawings

# What a use case is: it is handed what it uses, and neither opens adapters nor talks to people.
OUTER = frozenset({"wiring", "cli", "api", "main", "validator", "miner"})


@pytest.mark.parametrize("part", DRAWN)
def test_rooms_do_not_import_in_circles(part: str) -> None:
    assert circles(arrows(part)) == frozenset()


def test_a_circle_is_found() -> None:
    rooms = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("b"), "d": frozenset("a")}
    assert circles(rooms) == frozenset("bc")


def test_the_drawings_are_up_to_date() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == with_drawings(text), "run python -m tests.support.rooms"


def test_use_cases_import_neither_wiring_nor_the_command_line() -> None:
    rooms = arrows("app")
    assert {room for room in rooms.keys() - OUTER if rooms[room] & OUTER} == set()


@pytest.mark.parametrize("part", ["domain", "ports", "durable", "ordinary", "wrong_values"])
def test_the_core_imports_the_standard_library_alone(part: str) -> None:
    assert outside(part) - {"sn37"} <= sys.stdlib_module_names
