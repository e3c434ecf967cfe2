"""Files and folders that are there whole or not at all, also after a loss of power.

Imports the standard library only, so that every layer may use it.
"""

from __future__ import annotations

import os
from pathlib import Path

PARTIAL_SUFFIX = ".partial"  # what a file is called until it is complete


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, and give it its own once it is on the disk.

    Raises:
        OSError: The disk refused. A file that was there before is unchanged.
    """
    partial = path.with_name(f"{path.name}{PARTIAL_SUFFIX}")
    partial.unlink(missing_ok=True)  # a pipe would be waited for, a link leads elsewhere
    partial.write_bytes(content)
    rename_whole(partial, path)


def rename_whole(partial: Path, path: Path) -> None:
    """Give a file or a folder its name, once all of it is on the disk; then sync the name, too.

    Raises:
        OSError: The disk refused, or ``path`` is a folder that is not empty.
    """
    below = sorted(partial.rglob("*")) if partial.is_dir() else []
    for part in (*below, partial):
        if not part.is_symlink():
            sync(part)
    partial.rename(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until the disk has a file's content, or the names in a folder.

    Raises:
        OSError: The disk refused.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
