"""Versions of this program as the chain knows them: one number that grows."""

from __future__ import annotations

import re

_PART = 1_000


def weights_version(version: str) -> int:
    """The version key that weights are sent with: "1.2.3" is 1,002,003.

    The chain refuses weights whose key is below the one that the subnet's owner has set. What
    follows the third number ("2.0.1rc1") does not count.
    """
    major, minor, patch = (int(part) for part in re.findall(r"\d+", version)[:3])
    return major * _PART**2 + minor * _PART + patch


def oldest_version(key: int) -> str:
    """The oldest version whose weights the chain takes where it asks for ``key``."""
    return f"{key // _PART**2}.{key // _PART % _PART}.{key % _PART}"


def outdated(required: int, running: str) -> str:
    """What to say of a version whose weights are refused; empty when they are taken."""
    own = weights_version(running)
    if own >= required:
        return ""
    return (
        f"the subnet takes weights of version {required} or more, this program's are {own}: "
        f"upgrade sn37 to at least {oldest_version(required)}"
    )
