"""Have the kernel run a filter at every system call of this process, for good."""

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
    """Whether there is a table of call numbers for this architecture."""
    return machine() in ARCHITECTURES


def restrict(device: str) -> None:
    """Refuse what the policy for workers on ``device`` refuses; see :func:`install`."""
    install(policy(device, os.getpid()))


def install(rules: Policy) -> None:
    """Refuse calls to this thread and all it starts; needs no_new_privs.

    Raises:
        OSError: The kernel has no seccomp filters, or refuses this one.
    """
    program = assemble(rules, machine())
    code = b"".join(instruction.encode() for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = _Program(len(program), ctypes.cast(buffer, ctypes.c_void_p))
    prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(header))
