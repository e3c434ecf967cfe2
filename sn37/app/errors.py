"""Errors of commands and use cases.

    CommandError: the command failed; exit code 1
    └── UsageError: the command was called wrongly; exit code 2

The message is one line that says what is wrong and what to do. The command line prints it.
"""

from __future__ import annotations


class CommandError(Exception):
    """The command failed; the message says what to do next. Exit code 1."""

    exit_code = 1


class UsageError(CommandError):
    """The command was called wrongly. Exit code 2."""

    exit_code = 2
