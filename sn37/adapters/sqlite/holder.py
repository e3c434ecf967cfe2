"""The process that has a state database open, found without touching its lock."""

from __future__ import annotations

import os
from pathlib import Path

from sn37.adapters.sqlite.database import lock_file

PROCESSES = Path("/proc")


def is_held(path: Path, *, processes: Path = PROCESSES) -> bool | None:
    """True if the process that is named in the lock file has that file open.

    Even a short attempt to take the lock could refuse a validator that starts at that moment, so
    only the list of the process's open files is read. A process number that another process has
    by now is not mistaken for the validator.

    Returns:
        ``None`` if it cannot be seen from here: a process of another user, no /proc, or no
        readable lock file. A process in another container is not seen, and the answer is False.
    """
    lock = lock_file(path)
    try:
        locked = lock.stat()
        holder = int(lock.read_bytes()[:20])
        if not (processes / "self").exists():
            return None
        for name in os.listdir(processes / str(holder) / "fd"):  # noqa: PTH208 - names alone
            if _is_same(processes / str(holder) / "fd" / name, locked):
                return True
    except (FileNotFoundError, ProcessLookupError):
        return False
    except (OSError, ValueError):
        return None
    return False


def _is_same(opened: Path, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(opened.stat(), file)
    except OSError:  # closed meanwhile, or a socket
        return False
