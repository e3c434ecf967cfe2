"""Partial files that a killed process left in simnet's folders, and their detection."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from sn37.durable import rename_whole

PARTIAL_PREFIX = ".partial-"  # beginning of the names of folders until they are complete


def appear(partial: Path, target: Path) -> None:
    """Give a finished folder its name, unless another process has finished the same one.

    Raises:
        OSError: The disk refused.
    """
    try:
        rename_whole(partial, target)
    except OSError:
        if not target.is_dir():
            raise


def own(prefix: str) -> str:
    """``prefix`` with this process's mark, for the names of what it has not finished yet."""
    return f"{prefix}{os.getpid()}-"


def sweep(folder: Path, prefix: str) -> None:
    """Remove what is called ``prefix`` and bears the mark of a process that is gone."""
    for leftover in folder.glob(f"{prefix}*-*"):
        number = leftover.name.removeprefix(prefix).partition("-")[0]
        if not number.isdecimal() or Path("/proc", number).exists():
            continue
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)  # another may sweep, too
        else:
            with suppress(FileNotFoundError):
                leftover.unlink()
