"""Where lines and the live view are shown: plain text, or a terminal.

Lines begin with the time of this machine in UTC and the chain's newest block. Under systemd's
journal, which notes the time itself, they begin with the level and the block.
"""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from rich.console import Console
from rich.text import Text

from sn37.adapters.telemetry.live_view import LiveView
from sn37.adapters.telemetry.story import Line
from sn37.domain.events import Event, SetUpAdvanced

JOURNAL_VARIABLE = "JOURNAL_STREAM"  # device and inode, see systemd.exec(5)
NARROW = 60  # columns; below, lines on a terminal begin with the time without the date
_BLOCK = 7  # digits of a block of finney

# Control sequences of terminals, ECMA-48; the first two are ignored where they are not known:
# what is between them is shown at once.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
_ERASE_BELOW = "\x1b[J"

_COLOURS = {
    "finished": "bold green",
    "weights": "green",
    "refused": "yellow",
    "failed": "yellow",
    "recovered": "green",
}


class Output(Protocol):
    """A stream of text, such as standard error."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class Prefix(Enum):
    """The beginning of each line."""

    NOTHING = "nothing"
    FULL = "full"  # date, time, block
    TIME = "time"  # time, block
    JOURNAL = "journal"  # level, block

    def of(self, line: Line) -> str:
        """Return the beginning of a line, with the space after it."""
        block = "-" if line.block is None else str(line.block)
        match self:
            case Prefix.NOTHING:
                return ""
            case Prefix.JOURNAL:  # levels as in syslog: 4 is a warning, 6 information
                return f"<{4 if line.is_warning else 6}>{block:>{_BLOCK}} "
            case Prefix.TIME:
                return f"{line.at:%H:%M:%S}Z {block:>{_BLOCK}} "
            case Prefix.FULL:
                return f"{line.at:%m-%d %H:%M:%S}Z {block:>{_BLOCK}} "


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event, and the lines about it."""

    event: Event
    lines: tuple[Line, ...]


class Screen(Protocol):
    """Shows events and lines. Writing may block and may raise ``OSError`` or ``ValueError``."""

    def show(self, told: Sequence[Told]) -> None: ...

    def missed(self, line: Line) -> None:
        """Show that something was left out."""
        ...

    def tick(self) -> None:
        """Show the time that has passed."""
        ...

    def close(self) -> None: ...


class PlainScreen:
    """One line of text for each line, never wrapped: logs are searched by line."""

    def __init__(self, file: Output, *, prefix: Prefix = Prefix.FULL) -> None:
        self._file = file
        self._prefix = prefix

    def show(self, told: Sequence[Told]) -> None:
        self._write([line for each in told for line in each.lines])

    def missed(self, line: Line) -> None:
        self._write([line])

    def tick(self) -> None:
        """Plain text does not move."""

    def close(self) -> None:
        """Nothing is left to remove."""

    def _write(self, lines: Sequence[Line]) -> None:
        if lines:
            self._file.write("".join(f"{self._prefix.of(line)}{line.text}\n" for line in lines))
            self._file.flush()


class TerminalScreen:
    """Lines that scroll, and the live view below them.

    Every change is one write, which erases the old view, adds the lines and draws the new view, so
    nothing flickers. The cursor stays visible below the view: a process that is killed leaves a
    terminal that needs no repair.

    Args:
        size: Columns and rows of the terminal now.
        colours: A system of colours as in rich, ``None`` for none.
    """

    def __init__(
        self,
        file: Output,
        view: LiveView,
        *,
        size: Callable[[], tuple[int, int]],
        colours: str | None = None,
        prefix: Prefix = Prefix.FULL,
    ) -> None:
        self._file = file
        self._view = view
        self._size = size
        self._colours = colours
        self._prefix = prefix
        self._drawn: tuple[str, ...] = ()
        self._width = 0  # when it was drawn

    def show(self, told: Sequence[Told]) -> None:
        lines = list[Line]()
        for each in told:
            self._view.take(each.event)
            if not _has_a_bar(each.event):
                lines += each.lines
        self._draw(lines)

    def missed(self, line: Line) -> None:
        self._draw([line])

    def tick(self) -> None:
        self._draw(())

    def close(self) -> None:
        """Remove the view; the lines stay."""
        if self._drawn:
            self._file.write(self._erased(self._size()[0]))
            self._file.flush()
            self._drawn = ()

    def _draw(self, lines: Sequence[Line]) -> None:
        width, height = self._size()
        rows = self._view.rows(width - 1)[: height - 1]
        if not lines and rows == self._drawn and width == self._width:
            return
        text = io.StringIO()
        out = Console(
            file=text,
            width=width,
            force_terminal=True,
            color_system=self._colours,  # type: ignore[arg-type]
            legacy_windows=False,
        )
        for line in lines:
            for shown in self._wrapped(line, width):
                out.print(shown, soft_wrap=True)
        for row in rows:
            out.print(Text(row, style="cyan"), soft_wrap=True)
        self._file.write(f"{_BEGIN}{self._erased(width)}{text.getvalue()}{_END}")
        self._file.flush()
        self._drawn, self._width = rows, width

    def _erased(self, width: int) -> str:
        """Return what erases the view, whose rows a terminal wraps when it becomes narrower."""
        num_rows = sum(max(1, -(-len(row) // width)) for row in self._drawn)
        return f"\r\x1b[{num_rows}A{_ERASE_BELOW}" if num_rows else ""

    def _wrapped(self, line: Line, width: int) -> Sequence[Text]:
        narrow = width < NARROW and self._prefix is Prefix.FULL
        prefix = (Prefix.TIME if narrow else self._prefix).of(line)
        # Some terminals do not show a full last column until the next line begins.
        parts = textwrap.wrap(
            f"{prefix}{line.text}",
            width - 1,
            subsequent_indent=" " * min(len(prefix) + 10, width // 4),
            break_on_hyphens=False,
        )
        texts = [Text(part) for part in parts]
        if texts:
            kind = line.text.partition(" ")[0]
            style = "bold yellow" if line.is_warning else _COLOURS.get(kind, "bold")
            texts[0].stylize("dim", 0, len(prefix))
            texts[0].stylize(style, len(prefix), len(prefix) + len(kind))
        return texts


def _has_a_bar(event: Event) -> bool:
    return isinstance(event, SetUpAdvanced) and event.done < event.total


class Descriptor:
    """Text straight to a descriptor.

    Unlike ``sys.stderr`` it has no lock: a thread that waits for a reader holds up neither other
    threads nor the end of the process.
    """

    def __init__(self, number: int, encoding: str) -> None:
        self._number = number
        self._encoding = encoding

    def write(self, text: str, /) -> None:
        rest = text.encode(self._encoding, errors="backslashreplace")
        while rest:
            rest = rest[os.write(self._number, rest) :]

    def flush(self) -> None:
        """Nothing is held back."""


def goes_to_journal(descriptor: int) -> bool:
    """True if the descriptor is a stream of systemd's journal."""
    named = os.environ.get(JOURNAL_VARIABLE, "")
    with suppress(OSError):
        found = os.fstat(descriptor)
        return named == f"{found.st_dev}:{found.st_ino}"
    return False
