"""A small terminal: what a person sees of text with the control sequences that we use."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(r"\x1b\[(\??)(\d*(?:;\d+)*)([A-Za-z])")


class SmallTerminal:
    """Rows of characters without bottom; wraps at its width.

    It knows line feeds, carriage returns, cursor up, erase below, colours, and synchronized output.
    Anything else is an ``AssertionError``.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows = [""]
        self._row = 0
        self._column = 0
        self.num_frames = 0  # pieces of output that are shown at once

    def feed(self, text: str) -> None:
        position = 0
        while position < len(text):
            if text[position] == "\x1b":
                found = _SEQUENCE.match(text, position)
                assert found is not None, repr(text[position : position + 20])
                self._obey(found[1], found[2], found[3])
                position = found.end()
            else:
                self._put(text[position])
                position += 1

    @property
    def shown(self) -> list[str]:
        """The rows, without empty ones at the end."""
        return [row.rstrip() for row in "\n".join(self.rows).rstrip().split("\n")]

    def resize(self, columns: int) -> None:
        """Become narrower; rows that are too long continue on the next one."""
        rows = list[str]()
        for number, row in enumerate(self.rows):
            if number == self._row:
                self._row = len(rows)
            rows += [row[at : at + columns] for at in range(0, max(len(row), 1), columns)]
        self.rows, self.columns = rows, columns

    def _obey(self, private: str, numbers: str, what: str) -> None:
        if private:
            assert (numbers, what) in (("2026", "h"), ("2026", "l"))
            self.num_frames += what == "l"
        elif what == "A":
            self._row = max(0, self._row - int(numbers or 1))
        elif what == "J":
            assert numbers in ("", "0")
            self.rows[self._row] = self.rows[self._row][: self._column]
            del self.rows[self._row + 1 :]
        else:
            assert what == "m", f"{numbers}{what}"

    def _put(self, character: str) -> None:
        if character == "\n":  # also returns, as the system's terminals make it
            self._down()
            self._column = 0
        elif character == "\r":
            self._column = 0
        else:
            assert character.isprintable(), repr(character)
            if self._column == self.columns:
                self._down()
                self._column = 0
            row = self.rows[self._row].ljust(self._column)
            self.rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
            self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.rows):
            self.rows.append("")
