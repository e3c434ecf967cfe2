"""New namespaces for the next child: its own users, processes, network, shared memory, mounts."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from sn37.adapters.scoring.sandbox.kernel import unshare
from sn37.adapters.scoring.sandbox.layers import Layer

_FLAGS = {
    Layer.USER: 0x10000000,
    Layer.PID: 0x20000000,
    Layer.NET: 0x40000000,
    Layer.IPC: 0x08000000,
    Layer.MOUNT: 0x00020000,
}
_NOBODY = 65534  # the worker's apparent user; access to files still depends on the real user


def enter(layers: Collection[Layer]) -> None:
    """Move this process to new namespaces; only its next child enters the process namespace.

    Raises:
        OSError: The kernel refuses one.
    """
    flags = sum(_FLAGS[layer] for layer in layers)
    if not flags:
        return
    user, group = os.geteuid(), os.getegid()
    unshare(flags)
    if Layer.USER in layers:
        own = Path("/proc/self")
        # Required before an ordinary user maps a group: it could drop one that denies access.
        (own / "setgroups").write_text("deny")
        (own / "uid_map").write_text(f"{_NOBODY} {user} 1")
        (own / "gid_map").write_text(f"{_NOBODY} {group} 1")
