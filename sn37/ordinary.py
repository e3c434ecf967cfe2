"""Ordinary files opened for reading, whatever else has their names.

Imports the standard library only, so that every layer may use it.
"""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from pathlib import Path


def open_ordinary(path: Path) -> FileIO:
    """Open an ordinary file, or a link to one, for reading without a buffer.

    Raises:
        OSError: It cannot be read, or is something else: a pipe would be waited for.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not an ordinary file", str(path))
    return FileIO(descriptor, "rb")


def read_ordinary(path: Path, max_bytes: int) -> bytes:
    """Return the content of an ordinary file.

    Raises:
        OSError: See ``open_ordinary``; also if it is larger.
    """
    with open_ordinary(path) as file:
        if os.fstat(file.fileno()).st_size > max_bytes:
            raise OSError(errno.EFBIG, f"larger than {max_bytes:,} bytes", str(path))
        return file.readall()[:max_bytes]
