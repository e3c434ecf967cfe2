"""Events for people: lines and a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from sn37.adapters.telemetry.background import BackgroundScreen
from sn37.adapters.telemetry.live_view import LiveView
from sn37.adapters.telemetry.screens import (
    Descriptor,
    PlainScreen,
    Prefix,
    Screen,
    TerminalScreen,
    Told,
    goes_to_journal,
)
from sn37.adapters.telemetry.story import Story
from sn37.adapters.telemetry.wording import Labels
from sn37.domain.events import Event
from sn37.domain.ids import BLOCK_SECONDS

if TYPE_CHECKING:
    from sn37.ports.telemetry import EventSink

log = logging.getLogger(__name__)

USUAL_SIZE = (80, 24)  # of terminals that do not know theirs
_GLYPHS, _PLAIN_GLYPHS = "█░", "#."


class LastingConsole(Console):
    """A console that does not end the program when its reader leaves."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError("the reader has left")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ConsoleSink:
    """Shows the story of a run on a screen."""

    def __init__(
        self, screen: Screen, *, labels: Labels, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._screen = screen
        self._story = Story(labels)
        self._now = now
        self._is_gone = False

    def emit(self, event: Event) -> None:
        if self._is_gone:
            return
        try:
            self._screen.show([Told(event=event, lines=self._story.tell(event, self._now()))])
        except (OSError, ValueError) as error:  # the reader left, or standard error is closed
            self._is_gone = True
            log.warning("the console is gone: %s", error)

    def close(self) -> None:
        """Remove the live view from the terminal."""
        if not self._is_gone:
            with suppress(OSError, ValueError):
                self._screen.close()


def validator_console(
    *,
    labels: Labels,
    now: Callable[[], datetime] = _utc_now,
    block_s: float | None = float(BLOCK_SECONDS),
) -> ConsoleSink:
    """Return the console of a validator, on standard error; standard output is for results.

    A thread writes, so neither a stopped terminal nor a full pipe holds up the validator.

    Args:
        block_s: Seconds between two blocks; ``None`` if the chain's time is not that of the world.
    """
    screen = _stderr_screen(labels, block_s=block_s, prefix=Prefix.FULL)
    return ConsoleSink(BackgroundScreen(screen, now=now), labels=labels, now=now)


def command_console() -> ConsoleSink:
    """Return the console of other commands: lines without time and block."""
    return ConsoleSink(_stderr_screen({}, block_s=None, prefix=Prefix.NOTHING), labels={})


def _stderr_screen(labels: Labels, *, block_s: float | None, prefix: Prefix) -> Screen:
    stream = sys.stderr
    try:
        number = os.open(os.devnull, os.O_WRONLY) if stream is None else stream.fileno()
    except (OSError, ValueError):  # not a file of the system
        return PlainScreen(stream, prefix=prefix)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    file = Descriptor(number, encoding)
    if not os.isatty(number) or os.environ.get("TERM", "dumb") == "dumb":
        is_journal = prefix is Prefix.FULL and goes_to_journal(number)
        return PlainScreen(file, prefix=Prefix.JOURNAL if is_journal else prefix)
    return TerminalScreen(
        file,
        LiveView(labels, block_s=block_s, glyphs=_glyphs(encoding)),
        size=partial(_size, number),
        colours=Console(stderr=True).color_system if "NO_COLOR" not in os.environ else None,
        prefix=prefix,
    )


def _size(number: int) -> tuple[int, int]:
    columns, rows = os.get_terminal_size(number)
    return (columns, rows) if columns and rows else USUAL_SIZE


def _glyphs(encoding: str) -> str:
    try:
        _GLYPHS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return _PLAIN_GLYPHS
    return _GLYPHS


if TYPE_CHECKING:
    _: type[EventSink] = ConsoleSink
