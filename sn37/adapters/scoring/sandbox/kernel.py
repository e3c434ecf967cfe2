"""System calls that Python has no function for, and the kernel's data about this process."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
_libc.unshare.argtypes = (ctypes.c_int,)


def machine() -> str:
    """Return the kernel's name of the architecture, such as x86_64 or aarch64."""
    return platform.machine()


def own_status(field: str) -> str:
    """Return the first word of a line of /proc/self/status.

    Raises:
        OSError: The line does not exist.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.split()[0]
    raise OSError(f"/proc/self/status has no {field}")


def syscall(name: str, number: int, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """Call the kernel by number; pointers are given as buffers.

    Raises:
        OSError: The kernel refuses; the text contains ``name``.
    """
    values = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *values)
    return _checked(result, name)


def prctl(option: int, *arguments: int) -> int:
    """Change a property of this process.

    Raises:
        OSError: The kernel refuses.
    """
    four = (*arguments, 0, 0, 0, 0)[:4]
    result: int = _libc.prctl(option, *four)
    return _checked(result, f"prctl {option}")


def unshare(flags: int) -> None:
    """Leave namespaces for new ones.

    Raises:
        OSError: The kernel refuses.
    """
    result: int = _libc.unshare(flags)
    _checked(result, f"unshare {flags:#x}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
