"""Version keys: what the chain compares, and what an operator is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.release.version import oldest_version, outdated, weights_version

PARTS = st.integers(0, 999)


@pytest.mark.parametrize(
    ("version", "key"), [("1.2.3", 1_002_003), ("0.1.0", 1_000), ("2.0.1rc1", 2_000_001)]
)
def test_the_key_is_a_number_that_grows(version: str, key: int) -> None:
    assert weights_version(version) == key


@given(PARTS, PARTS, PARTS)
def test_a_key_names_the_version_that_it_belongs_to(major: int, minor: int, patch: int) -> None:
    version = f"{major}.{minor}.{patch}"
    assert oldest_version(weights_version(version)) == version


def test_only_a_version_below_the_one_asked_for_is_outdated() -> None:
    assert outdated(0, "0.1.0") == outdated(1_000, "0.1.0") == outdated(1_000, "0.1.1") == ""
    assert outdated(1_002_003, "1.2.2") == (
        "the subnet requires weights of version 1002003 or more, this program sends 1002002; "
        "upgrade sn37 to at least 1.2.3"
    )
