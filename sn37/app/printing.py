"""Tables on standard output, for as long as somebody reads it."""

from __future__ import annotations

import sys

from rich.console import Console, RenderableType

from sn37.app.cli_errors import CommandError, abandon

REPORT_WIDTH = 160  # columns where there is no terminal to ask


def show(console: Console, shown: RenderableType) -> None:
    """Print it; a reader that has seen enough may leave.

    Raises:
        CommandError: Standard output cannot be written.
    """
    if not console.is_terminal:
        console.width = REPORT_WIDTH
    try:
        console.print(shown)
    except BrokenPipeError:
        abandon(sys.stdout)
    except OSError as error:
        abandon(sys.stdout)
        raise CommandError(
            f"standard output: {error.strerror or error}; the same command prints the tables again"
        ) from error
