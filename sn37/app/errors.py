"""Errors of commands and use cases.

    CommandError: the command failed; exit code 1
    └── UsageError: the command was called wrongly; exit code 2

The message is one line that says what is wrong and what to do. If several things are wrong, it
announces one line for each. ``page`` names the document of ``sn37 docs`` that explains it, if one
does. The command line prints them.
"""

from __future__ import annotations

from collections.abc import Sequence


class CommandError(Exception):
    """The command failed; the message says what to do next. Exit code 1."""

    exit_code = 1

    def __init__(self, message: str, *, lines: Sequence[str] = (), page: str | None = None) -> None:
        super().__init__(message)
        self.page = page
        self.lines = tuple(lines)  # what the message announces


class UsageError(CommandError):
    """The command was called wrongly. Exit code 2."""

    exit_code = 2
