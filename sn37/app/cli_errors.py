"""Running a command line: every known error becomes one line and an exit code.

0 done, 1 failed, 2 wrong usage, 130 interrupted from the terminal. Anything else is a bug and
keeps its traceback, unless the command has a log for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

import typer

from sn37.ports.errors import PortError

INTERRUPTED = 130  # typer's code for Ctrl-C, as shells have it


class CommandError(Exception):
    """The command failed; the message says what to do next. Exit code 1."""

    exit_code = 1


class UsageError(CommandError):
    """The command was called wrongly. Exit code 2."""

    exit_code = 2


def run(app: typer.Typer, args: Sequence[str] | None = None, *, prog_name: str) -> int:
    """Run ``app`` and return the exit code."""
    given = list(sys.argv[1:] if args is None else args)
    try:
        code = app(given, standalone_mode=False, prog_name=prog_name)
    except typer.TyperException as error:
        message = error.format_message().rstrip(".")
        if not message:  # a group without a command: its help has been printed
            return error.exit_code
        return _fail(f"{message[:1].lower()}{message[1:]}; see {prog_name} --help", error.exit_code)
    except CommandError as error:
        return _fail(str(error), error.exit_code)
    except PortError as error:
        return _fail(str(error), 1)
    except typer.Abort:
        return _fail("interrupted", 1)
    if code == INTERRUPTED:
        return _fail("interrupted", INTERRUPTED)
    return code if isinstance(code, int) else 0


def abandon(stream: TextIO | None) -> None:
    """Let what ``stream`` could not write vanish, or the interpreter fails again at its exit."""
    if stream is not None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _fail(message: str, code: int) -> int:
    try:
        typer.echo(f"error: {' '.join(message.split())}", err=True)
    except OSError:  # nobody reads it; the exit code says it too
        abandon(sys.stderr)
    return code
