"""A table that leaves out columns where there is no room for them, and cuts nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

LEAST_TEXT = 20  # columns of a text that may be wrapped
_FRAME = 3  # of a column: a border and two spaces


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    name: str
    rank: int
    is_number: bool
    is_text: bool
    cells: list[Text] = field(default_factory=list)

    @property
    def width(self) -> int:
        widest = max((cell.cell_len for cell in (Text(self.name), *self.cells)), default=0)
        return min(widest, LEAST_TEXT) if self.is_text else widest


class FittedTable:
    """Rows of cells for any width.

    Columns with the highest rank are left out first, and a line below the table names them.
    """

    def __init__(self, title: Text | str, *, caption: str = "") -> None:
        self._title = title
        self._caption = caption
        self._columns: list[_Column] = []

    def add_column(
        self, name: str, *, rank: int, is_number: bool = False, is_text: bool = False
    ) -> None:
        """Add a column on the right.

        Args:
            rank: 0 for a column that is always shown.
            is_text: Its cells may be wrapped.
        """
        self._columns.append(_Column(name=name, rank=rank, is_number=is_number, is_text=is_text))

    def add_row(self, *cells: Text | str) -> None:
        """Add a row: one cell for each column."""
        for column, cell in zip(self._columns, cells, strict=True):
            column.cells.append(cell if isinstance(cell, Text) else Text(cell))

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        shown = self._fitting(options.max_width)
        table = Table(title=self._title, title_justify="left")
        for column in shown:
            table.add_column(
                column.name,
                justify="right" if column.is_number else "left",
                no_wrap=not column.is_text,
                overflow="fold",
            )
        for row in zip(*(column.cells for column in shown), strict=True):
            table.add_row(*row)
        yield table
        for below in filter(None, (self._caption, self._left_out(shown))):
            yield Text(below, style="dim italic")

    def _fitting(self, width: int) -> list[_Column]:
        shown = list(self._columns)
        while sum(c.width + _FRAME for c in shown) + 1 > width:
            last = max(shown, key=lambda c: c.rank)
            if last.rank == 0:
                break
            shown.remove(last)
        return shown

    def _left_out(self, shown: list[_Column]) -> str:
        names = [c.name for c in self._columns if c not in shown]
        return f"left out for lack of room: {', '.join(names)}" if names else ""
