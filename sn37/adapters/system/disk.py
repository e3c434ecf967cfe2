"""Free space of disks."""

from __future__ import annotations

import shutil
from pathlib import Path


def free_bytes(*folders: Path) -> int | None:
    """Return the free bytes on the fullest disk; ``None`` if none of the folders can be read."""
    found = []
    for folder in folders:
        try:
            found.append(shutil.disk_usage(folder).free)
        except OSError:  # a folder that is made later
            continue
    return min(found, default=None)
