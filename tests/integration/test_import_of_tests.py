"""Importing a module of these tests runs nothing, as tests/unit/test_modules.py has it."""

from __future__ import annotations

from tests.support.modules import MAX_CALLS, TESTS, calls_when_imported


def test_importing_an_integration_test_plays_no_round() -> None:
    calls = calls_when_imported(TESTS / "integration")
    assert len(calls) > 50
    assert {module: n for module, n in calls.items() if n > MAX_CALLS} == {}
