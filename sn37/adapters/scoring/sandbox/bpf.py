"""Translation of a policy to a program for the kernel's packet filter, which seccomp runs.

The program sees ``struct seccomp_data``: number (offset 0), architecture (4), instruction
pointer (8), six arguments of 64 bits (16), little-endian on both architectures.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sn37.adapters.scoring.sandbox.policy import Guard, Policy
from sn37.adapters.scoring.sandbox.syscalls import LAST_KNOWN, NUMBERS

LOAD, AND = 0x20, 0x54  # BPF_LD|BPF_W|BPF_ABS, BPF_ALU|BPF_AND|BPF_K
IF_EQUAL, IF_GREATER, IF_AT_LEAST = 0x15, 0x25, 0x35  # BPF_JMP|BPF_K and BPF_JEQ, JGT, JGE
RETURN = 0x06  # BPF_RET|BPF_K
ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000
ANSWER = 0x00050000  # plus an error number: the call is not made but returns it; 0 is success
DENY = ANSWER | errno.EPERM
ABSENT = ANSWER | errno.ENOSYS
X32_BIT = 0x40000000  # numbers of x86-64's second interface, with 32-bit pointers


@dataclass(frozen=True, slots=True)
class Architecture:
    """An architecture: ``audit`` is the kernel's constant, ``column`` the index in ``NUMBERS``."""

    audit: int
    column: int


ARCHITECTURES: Mapping[str, Architecture] = {
    "x86_64": Architecture(0xC000003E, 0),
    "aarch64": Architecture(0xC00000B7, 1),
}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step; a comparison skips ``if_true`` or ``if_false`` following steps."""

    code: int
    k: int
    if_true: int = 0
    if_false: int = 0

    def encode(self) -> bytes:
        return struct.pack("=HBBI", self.code, self.if_true, self.if_false, self.k)


def assemble(policy: Policy, machine: str) -> tuple[Instruction, ...]:
    """Return the program; a call with another architecture's numbers ends the process.

    Raises:
        KeyError: ``machine`` is not in ``ARCHITECTURES``.
    """
    architecture = ARCHITECTURES[machine]
    number = Instruction(LOAD, 0)
    program = [
        Instruction(LOAD, 4),
        Instruction(IF_EQUAL, architecture.audit, 1, 0),
        Instruction(RETURN, KILL_PROCESS),
        number,
        Instruction(IF_AT_LEAST, X32_BIT, 0, 1),
        Instruction(RETURN, DENY),
        Instruction(IF_GREATER, LAST_KNOWN, 0, 1),
        Instruction(RETURN, ABSENT),
    ]
    for guard in policy.guards:
        if (value := NUMBERS[guard.call][architecture.column]) is not None:
            body = (*_guard(guard), number)
            program += [Instruction(IF_EQUAL, value, 0, len(body)), *body]
    for names, result in ((policy.denied, DENY), (policy.absent, ABSENT)):
        program += _refuse(names, result, architecture)
    return (*program, Instruction(RETURN, ALLOW))


def _guard(guard: Guard) -> Sequence[Instruction]:
    refused, passed = (0, 1) if guard.when_equal else (1, 0)
    return (
        Instruction(LOAD, 16 + 8 * guard.argument + (4 if guard.high else 0)),
        Instruction(AND, guard.mask),
        Instruction(IF_EQUAL, guard.value, refused, passed),
        Instruction(RETURN, ANSWER | guard.answer),
    )


def _refuse(names: Sequence[str], result: int, architecture: Architecture) -> Sequence[Instruction]:
    values = (NUMBERS[name][architecture.column] for name in names)
    pairs = (
        (Instruction(IF_EQUAL, value, 0, 1), Instruction(RETURN, result))
        for value in values
        if value is not None
    )
    return [instruction for pair in pairs for instruction in pair]
