"""Tables on standard output, which may be a file, a pipe or a full disk."""

from __future__ import annotations

import sys

from rich.console import Console, RenderableType

from sn37.app.cli_errors import CommandError, abandon

REPORT_WIDTH = 160  # columns where there is no terminal to ask


def print_whole(console: Console, shown: RenderableType) -> None:
    """Print it, if anybody reads it.

    Raises:
        CommandError: Standard output does not take it.
    """
    if not console.is_terminal:
        console.width = REPORT_WIDTH
    try:
        console.print(shown)
    except BrokenPipeError:  # the reader has seen enough
        abandon(sys.stdout)
    except OSError as error:
        abandon(sys.stdout)
        raise CommandError(
            f"standard output: {error.strerror or error}; the same command prints the tables again"
        ) from error
