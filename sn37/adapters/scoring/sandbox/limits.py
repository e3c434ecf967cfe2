"""Limits of a worker: data, open files, death with its parent, inherited descriptors."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
from collections.abc import Sequence
from pathlib import Path

from sn37.adapters.scoring.sandbox.kernel import own_status, prctl

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_MAX_OPEN_FILES = 1024  # one for each shard of weights, plus libraries
_MAX_STACK_BYTES = 64 << 20
_FIRST_TO_GO = 1000  # killed first when the machine's memory runs out


def die_with_parent() -> None:
    """Make the kernel kill this process when the thread that is its parent ends."""
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of the orphans of children."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def limit(*, memory_bytes: int | None) -> None:
    """Limit this process permanently.

    Args:
        memory_bytes: Allowed growth of its private data (RLIMIT_DATA) from now on; read-only
            mapped files do not count. ``None`` sets no limit.
    """
    Path("/proc/self/oom_score_adj").write_text(str(_FIRST_TO_GO))
    for name in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_MSGQUEUE):
        _lower(name, 0)
    _lower(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    _lower(resource.RLIMIT_STACK, _MAX_STACK_BYTES)
    if memory_bytes is not None:
        _lower(resource.RLIMIT_DATA, _data_bytes() + memory_bytes)
        _lower(resource.RLIMIT_MEMLOCK, 0)


def keep_only(descriptors: Sequence[int]) -> Sequence[int]:
    """Close all other files, open /dev/null as 0, 1, 2; return the new numbers, from 3 on."""
    null = os.open(os.devnull, os.O_RDWR)
    after = 3 + len(descriptors)
    # First move them away from the new numbers.
    spare = [fcntl.fcntl(d, fcntl.F_DUPFD, after) for d in descriptors]
    kept = [os.dup2(old, 3 + i) for i, old in enumerate(spare)]
    for standard in range(3):
        os.dup2(null, standard)
    os.closerange(after, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return kept


def _data_bytes() -> int:
    """Return this process's private writable memory, as counted by RLIMIT_DATA."""
    return int(own_status("VmData")) << 10


def _lower(name: int, value: int) -> None:
    hard = resource.getrlimit(name)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(name, (value, value))
