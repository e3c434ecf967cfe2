"""Facts that hold unless there is a bug."""

from __future__ import annotations

import pytest

from sn37.domain.known_facts import checked, known


def test_a_known_value_is_returned_even_if_it_is_falsy() -> None:
    assert known(0, "there is a number") == 0


def test_a_missing_value_is_a_bug_that_names_the_fact() -> None:
    with pytest.raises(RuntimeError, match="a bug in sn37, this should hold: it is finished"):
        known(None, "it is finished")


def test_a_value_of_the_type_is_returned() -> None:
    assert checked({}, dict, "it is a table") == {}


def test_a_value_of_another_type_is_a_bug_that_names_the_fact() -> None:
    with pytest.raises(RuntimeError, match="this should hold: it is a table; got a list"):
        checked([], dict, "it is a table")
