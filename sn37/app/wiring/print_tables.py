"""Tables on standard output, as long as it has a reader."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import ParamSpec

from rich.console import Console, RenderableType

from sn37.app.errors import CommandError
from sn37.app.streams import abandon

REPORT_WIDTH = 160  # columns without a terminal

_P = ParamSpec("_P")


def printed(
    render: Callable[_P, RenderableType], console: Callable[[], Console]
) -> Callable[_P, None]:
    """Return a function that prints the result of ``render``.

    It raises ``CommandError`` when standard output cannot be written.
    """

    def show(*args: _P.args, **kwargs: _P.kwargs) -> None:
        _show(console(), render(*args, **kwargs))

    return show


def _show(console: Console, shown: RenderableType) -> None:
    if not console.is_terminal:
        console.width = REPORT_WIDTH
    try:
        console.print(shown)
    except BrokenPipeError:  # the reader has closed the pipe
        abandon(sys.stdout)
    except OSError as error:
        abandon(sys.stdout)
        raise CommandError(
            f"standard output: {error.strerror or error}; the same command prints the tables again"
        ) from error
