"""Events for people: progress bars and lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import select
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from sn37.adapters.telemetry import wording
from sn37.adapters.telemetry.wording import Labels
from sn37.domain.events import BlockScored, EntryFinished, EntryStarted, Event, SetUpAdvanced
from sn37.domain.printable import printable

if TYPE_CHECKING:
    from sn37.ports.telemetry import EventSink

log = logging.getLogger(__name__)

PLAIN_WIDTH = 120  # columns without a terminal, such as in a CI log
QUARTERS = 4  # lines about a set-up step without a bar


class LastingConsole(Console):
    """A console that does not end the program when its reader leaves."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError("the reader has left")


def stderr_console() -> Console:
    """Return a console on standard error; standard output is for results."""
    console = LastingConsole(stderr=True, highlight=False)
    if console.is_terminal:
        return console
    return LastingConsole(stderr=True, highlight=False, width=PLAIN_WIDTH)


class ConsoleSink:
    """Prints one line for each event, and bars for the set-up and the entry being scored.

    Bars are drawn when an event moves them, never by their own thread, and disappear when full.
    """

    def __init__(self, console: Console, *, labels: Labels) -> None:
        self._console = console
        self._labels = labels
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._bars: dict[str, TaskID] = {}
        self._quarters: dict[str, int] = {}  # of set-up steps, printed so far without bars
        self._gone = False
        self._num_unread = 0  # events not shown since the last one that was

    def emit(self, event: Event) -> None:
        if self._gone:
            return
        if not _takes_lines(self._console):
            self._num_unread += 1
            return
        if self._num_unread:
            unread, self._num_unread = self._num_unread, 0
            self._try(partial(self._say, f"unread    {unread} events while nothing could be shown"))
        self._try(partial(self._show, event))

    def close(self) -> None:
        """Remove all bars from the terminal."""
        for what in tuple(self._bars):
            self._try(partial(self._finish, what))

    def _try(self, show: Callable[[], None]) -> None:
        try:
            show()
        except (OSError, ValueError) as error:  # the reader left, or standard error is closed
            # rich keeps what it could not write, which would fill the memory.
            self._gone = True
            log.warning("the console is gone: %s", error)

    def _show(self, event: Event) -> None:
        match event:
            case SetUpAdvanced():
                self._set_up(event)
            case EntryStarted():
                self._move(self._scoring(event), event.num_resumed, event.num_blocks)
            case BlockScored():
                self._move(self._scoring(event), event.done, event.num_blocks)
            case EntryFinished():
                self._finish(wording.entry(event.result.key, self._labels))
            case _:
                pass
        if said := wording.line(event, self._labels):
            self._say(said)

    def _scoring(self, event: EntryStarted | BlockScored) -> str:
        return wording.entry(event.key, self._labels)

    def _set_up(self, event: SetUpAdvanced) -> None:
        what = printable(event.what)
        if self._console.is_terminal:
            self._move(what, event.done, event.total)
            if event.done >= event.total:
                self._finish(what)
                self._say(f"ready     {what}")
            return
        quarter = QUARTERS * event.done // max(event.total, 1)
        if quarter != self._quarters.get(what):
            self._quarters[what] = quarter
            self._say(f"set-up    {what}: {event.done} of {event.total}")

    def _move(self, what: str, done: int, total: int) -> None:
        if not self._console.is_terminal:
            return
        if what not in self._bars:
            self._progress.start()
            self._bars[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._bars[what], completed=done, total=total)
        self._progress.refresh()

    def _finish(self, what: str) -> None:
        if (bar := self._bars.pop(what, None)) is None:
            return
        self._progress.remove_task(bar)
        if not self._bars:
            self._progress.stop()

    def _say(self, line: str) -> None:
        # No wrapping: logs are searched by line, and a terminal wraps by itself.
        self._console.print(Text(line), soft_wrap=True)


def _takes_lines(console: Console) -> bool:
    """True if a few lines can be written without waiting for a reader.

    An open pager, or a terminal stopped by Ctrl-S, must not stop the validator. A file without a
    descriptor never waits.
    """
    try:
        poll = select.poll()
        poll.register(console.file.fileno(), select.POLLOUT)
    except (OSError, ValueError):
        return True
    return bool(poll.poll(0))


if TYPE_CHECKING:
    _: type[EventSink] = ConsoleSink
