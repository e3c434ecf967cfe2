"""Version keys: versions of this program as one growing number, for the chain."""

from __future__ import annotations

import re

_PART = 1_000


def weights_version(version: str) -> int:
    """Return the version key that weights are sent with: 1,002,003 for "1.2.3".

    The chain refuses weights whose key is below the one that the subnet's owner has set. Text
    after the third number ("2.0.1rc1") does not count.
    """
    major, minor, patch = (int(part) for part in re.findall(r"\d+", version)[:3])
    return major * _PART**2 + minor * _PART + patch


def oldest_version(key: int) -> str:
    """Return the oldest version whose weights the chain accepts if it requires ``key``."""
    return f"{key // _PART**2}.{key // _PART % _PART}.{key % _PART}"


def outdated(required: int, running: str) -> str:
    """Return the error for a version whose weights are refused; empty if they are accepted."""
    own = weights_version(running)
    if own >= required:
        return ""
    return (
        f"the subnet requires weights of version {required} or more, this program sends {own}; "
        f"upgrade sn37 to at least {oldest_version(required)}"
    )
