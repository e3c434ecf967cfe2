"""Ctrl-C before there is a command that could answer it, and when it has ended.

Imports nothing that takes time: an entry point calls ``quiet`` before its other imports.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130  # typer's code for Ctrl-C, as shells have it


def quiet() -> None:
    """From here on Ctrl-C ends the process in one line, unless it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def as_usual() -> None:
    """Undo ``quiet``: from here on a command answers."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def leave(code: int) -> NoReturn:
    """End the process with this exit code, whatever Ctrl-C has met on its way."""
    if code == INTERRUPTED:
        # One that met code which was being compiled, such as a dataclass, makes the interpreter
        # end itself by the same signal, not by the code.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sys.exit(code)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    # At once: an import that is cut short may take any exception for a fault of its own.
    try:
        os.write(2, b"error: interrupted\n")
    finally:
        os._exit(INTERRUPTED)
