"""The size of a folder that others may be changing."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path


def bytes_below(folder: Path) -> int:
    """Return the bytes of the ordinary files below; what vanishes meanwhile does not count."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found = Path(parent, name).lstat()
                size += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return size
