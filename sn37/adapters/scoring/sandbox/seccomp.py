"""Permanent filter in the kernel for all system calls of this process."""

from __future__ import annotations

import ctypes
import os

from sn37.adapters.scoring.sandbox.bpf import ARCHITECTURES, assemble
from sn37.adapters.scoring.sandbox.kernel import machine, prctl
from sn37.adapters.scoring.sandbox.policy import Policy, policy

_PR_SET_SECCOMP = 22
_MODE_FILTER = 2


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def is_known_machine() -> bool:
    """True if there is a table of call numbers for this architecture."""
    return machine() in ARCHITECTURES


def restrict(device: str) -> None:
    """Apply the policy for workers on ``device``; see :func:`install`."""
    install(policy(device, os.getpid()))


def install(rules: Policy) -> None:
    """Filter the calls of this thread and all it starts; needs no_new_privs.

    Raises:
        OSError: The kernel has no seccomp filters, or refuses this one.
    """
    program = assemble(rules, machine())
    code = b"".join(instruction.encode() for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = _Program(len(program), ctypes.cast(buffer, ctypes.c_void_p))
    prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(header))
