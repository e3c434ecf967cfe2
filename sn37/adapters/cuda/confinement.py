"""What keeps a child process in its place, as far as the kernel offers it to everyone.

This is the process boundary: it ends with its parent, dumps no core, opens few files, gains
no privileges, keeps its data within a limit. It is not a sandbox.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_MAX_OPEN_FILES = 1024  # a shard of weights each, plus libraries
_MAX_FILE_BYTES = 64 << 20  # of one file in the scratch folder

_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the thread of ``parent`` that made it ends.

    Ends this process at once when ``parent`` died before the request was in place.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def confine(*, memory_bytes: int | None) -> None:
    """Limit this process and everything it will start, for good.

    Args:
        memory_bytes: How much its private data (RLIMIT_DATA) may grow from here on; read-only
            mapped files do not count. ``None`` sets no limit.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    _lower(resource.RLIMIT_FSIZE, _MAX_FILE_BYTES)
    if memory_bytes is not None:
        _lower(resource.RLIMIT_DATA, data_bytes() + memory_bytes)


def keep_only(descriptor: int) -> int:
    """Close every file but ``descriptor``, open /dev/null as 0, 1, 2; return its new number."""
    null = os.open(os.devnull, os.O_RDWR)
    kept = os.dup2(os.dup(descriptor), 3) if descriptor != 3 else 3
    for standard in range(3):
        os.dup2(null, standard)
    os.closerange(4, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return kept


def data_bytes() -> int:
    """Private writable memory of this process, as RLIMIT_DATA counts it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    raise OSError("/proc/self/status has no VmData")


def _lower(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(limit, (value, value))


def _prctl(option: int, argument: int) -> None:
    if _libc.prctl(option, argument, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")
