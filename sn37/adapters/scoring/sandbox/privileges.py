"""Removal of the special rights of root, or of the first process of a user namespace."""

from __future__ import annotations

import ctypes
import errno
import struct

from sn37.adapters.scoring.sandbox.kernel import machine, own_status, prctl, syscall

_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_CAPSET = {"x86_64": 126, "aarch64": 91}
_MAX_CAPABILITY = 63


def gain_no_more() -> None:
    """Deny new rights to all programs that this process starts; irrevocable."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Drop every capability, permanently.

    Raises:
        OSError: The kernel refuses.
    """
    for capability in range(_MAX_CAPABILITY + 1):
        try:
            prctl(_PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EPERM):
                break  # past the last one; or an ordinary user, who has none to drop
            raise
    prctl(_PR_CAP_AMBIENT, _CLEAR_ALL)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), 8)
    nothing = ctypes.create_string_buffer(24)  # effective, permitted, inheritable, twice 32 bits
    syscall("capset", _CAPSET[machine()], header, nothing)


def capabilities() -> int:
    """Return the bits of all effective capabilities."""
    return int(own_status("CapEff"), 16)
