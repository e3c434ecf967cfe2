"""Reader of TOML files that people write; every mistake becomes an error of one line.

UnreadableToml
├── NotToml
└── TooMuchToml
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from sn37.app.config import toml_lines

MAX_CHARACTERS = 2**18  # the longest schedule has 5,000
MAX_DEPTH = 50  # of tables and arrays in one another
INT_BITS = 64  # the range that TOML requires; it requires an error beyond it
_LONG = re.compile(r"[0-9][0-9_]{999,}")
# The parser's memory grows with the square of a dotted key's length.
_DOTTED = re.compile(rf"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){{{MAX_DEPTH},}}")


class UnreadableToml(Exception):
    """Text that cannot be read; message and ``line`` give the line, if it is known."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class NotToml(UnreadableToml):
    """The file is not TOML, or not text."""


class TooMuchToml(UnreadableToml):
    """The text is too long, too deep, or has too large numbers."""


def read_text(path: Path) -> str:
    """Return the text of a file; of one too long, only as much as makes ``parse`` refuse it.

    Raises:
        NotToml: The file is not text.
        OSError: The file cannot be read.
    """
    with path.open(encoding="utf-8") as file:
        try:
            return file.read(MAX_CHARACTERS + 1)
        except UnicodeDecodeError as error:
            raise NotToml(f"not UTF-8 text ({error.reason})") from error


def parse(text: str) -> dict[str, object]:
    """Return the outermost table of a TOML text.

    Raises:
        UnreadableToml: The text cannot be read; says why.
    """
    if len(text) > MAX_CHARACTERS:
        raise TooMuchToml(f"longer than {MAX_CHARACTERS:,} characters")
    if dotted := _DOTTED.search(text):
        raise _too_deep(text.count("\n", 0, dotted.start()) + 1)
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser's message ends with "(at line L, column C)".
        place = re.search(r"\(at line (\d+), column \d+\)$", str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        raise NotToml(f"not TOML: {error}", line=line) from error
    except RecursionError as error:
        raise _too_deep(None) from error
    except ValueError as error:  # Python refuses a number of more than 4,300 digits
        digits = _LONG.search(text)
        raise _too_long(text.count("\n", 0, digits.start()) + 1 if digits else None) from error
    for keys, value in _values(found):
        if len(keys) > MAX_DEPTH:
            raise _too_deep(toml_lines.line_of(toml_lines.key_lines(text), keys))
        if isinstance(value, int) and not -(2 ** (INT_BITS - 1)) <= value < 2 ** (INT_BITS - 1):
            raise _too_long(toml_lines.line_of(toml_lines.key_lines(text), keys))
    return found


def _values(outermost: object) -> Iterator[tuple[toml_lines.Path, object]]:
    """Yield every value with its keys, at most one level below ``MAX_DEPTH``."""
    waiting: list[tuple[toml_lines.Path, object]] = [((), outermost)]
    while waiting:
        keys, value = waiting.pop()
        yield keys, value
        if isinstance(value, dict):
            waiting.extend(((*keys, key), inner) for key, inner in value.items())
        elif isinstance(value, list):
            waiting.extend(((*keys, index), inner) for index, inner in enumerate(value))


def _too_deep(line: int | None) -> TooMuchToml:
    return TooMuchToml(f"arrays and tables more than {MAX_DEPTH} deep{_at(line)}", line=line)


def _too_long(line: int | None) -> TooMuchToml:
    return TooMuchToml(f"a whole number of more than {INT_BITS} bits{_at(line)}", line=line)


def _at(line: int | None) -> str:
    return "" if line is None else f" (at line {line})"
