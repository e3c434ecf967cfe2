"""Standard output and standard error when nobody reads them."""

from __future__ import annotations

import os
from typing import TextIO


def abandon(stream: TextIO | None) -> None:
    """Let what ``stream`` could not write vanish, or the interpreter fails again at its exit."""
    if stream is not None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
