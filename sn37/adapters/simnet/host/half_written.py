"""Partial files of simnet's folders, and the removal of those that a killed process left."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from sn37.durable import rename_whole

PARTIAL_PREFIX = ".partial-"  # beginning of the names of folders until they are complete


def appear(partial: Path, target: Path) -> None:
    """Rename a finished folder, unless another process has already finished the same one.

    Raises:
        OSError: The disk refused.
    """
    try:
        rename_whole(partial, target)
    except OSError:
        if not target.is_dir():
            raise


def own(prefix: str) -> str:
    """Return ``prefix`` with this process's number, for names of its unfinished files."""
    return f"{prefix}{os.getpid()}-"


def sweep(folder: Path, prefix: str) -> None:
    """Remove files whose names have ``prefix`` and the number of a process that is gone."""
    for leftover in folder.glob(f"{prefix}*-*"):
        number = leftover.name.removeprefix(prefix).partition("-")[0]
        if not number.isdecimal() or Path("/proc", number).exists():
            continue
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)  # another process may remove it too
        else:
            with suppress(FileNotFoundError):
                leftover.unlink()
