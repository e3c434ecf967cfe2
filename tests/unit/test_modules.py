"""Modules of tests stand alone: none imports another, and importing one runs nothing."""

from __future__ import annotations

from tests.support.fake_world import World
from tests.support.modules import MAX_CALLS, TESTS, calls_in, calls_when_imported, imports_of_tests


def test_no_module_imports_a_module_of_tests() -> None:
    assert list(imports_of_tests()) == [], "move what they share to tests/support"


def test_importing_a_unit_test_plays_no_round() -> None:
    calls = calls_when_imported(TESTS / "unit")
    assert len(calls) > 100
    assert {module: n for module, n in calls.items() if n > MAX_CALLS} == {}


def test_a_round_is_more_than_a_module_may_run() -> None:
    world = World()
    world.miner("first", 1.0)
    assert calls_in(lambda: world.run(rounds=1)) > 4 * MAX_CALLS
