"""Confinement of this process as a worker, in an order that keeps each next step possible."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sn37.adapters.scoring.sandbox import landlock, limits, privileges, root, seccomp
from sn37.adapters.scoring.sandbox.layers import Layer, Sandbox
from sn37.adapters.scoring.sandbox.paths import OWN_PROCESS


def confine(
    sandbox: Sandbox,
    *,
    device: str,
    allowed: Sequence[tuple[str, int]],
    memory_bytes: int | None,
) -> None:
    """Apply every layer except namespaces, which the process is already in. One thread only.

    Args:
        allowed: Paths with Landlock's rights over them.
        memory_bytes: See :func:`limits.limit`.

    Raises:
        OSError: A layer that the host was found to have cannot be applied.
    """
    if Layer.MOUNT in sandbox.layers:
        root.build(path for path, _ in allowed)
    limits.limit(memory_bytes=memory_bytes)
    privileges.gain_no_more()
    if Layer.LANDLOCK in sandbox.layers:
        # Landlock identifies the folder by its inode, which exists as long as it is open.
        os.open(OWN_PROCESS, os.O_PATH)
        landlock.restrict(sandbox.landlock_abi, allowed)
    if Layer.CAPABILITIES in sandbox.layers:
        privileges.drop_capabilities()
    if Layer.SECCOMP in sandbox.layers:
        seccomp.restrict(device)
