"""What is asked of each version of Landlock."""

from __future__ import annotations

import struct

import pytest

from sn37.adapters.scoring.sandbox.landlock import (
    IOCTL_DEV,
    READ_FILE,
    TRUNCATE,
    attributes,
    file_rights,
)

REFER = 1 << 13


@pytest.mark.parametrize("version", range(1, 12))
def test_t25_every_version_takes_away_all_it_knows(version: int) -> None:
    rights = file_rights(version)
    assert rights & READ_FILE
    assert bool(rights & REFER) == (version >= 2)
    assert bool(rights & TRUNCATE) == (version >= 3)
    assert bool(rights & IOCTL_DEV) == (version >= 5)


@pytest.mark.parametrize(
    ("version", "rest"),
    [(1, ()), (2, ()), (3, ()), (4, (3,)), (5, (3,)), (6, (3, 3)), (7, (3, 3)), (99, (3, 3))],
)
def test_t25_the_request_is_as_long_as_the_version_knows(
    version: int, rest: tuple[int, ...]
) -> None:
    """An older kernel refuses a longer one; the rest is TCP, then the scopes."""
    values = (file_rights(version), *rest)
    assert attributes(version) == struct.pack(f"={len(values)}Q", *values)
