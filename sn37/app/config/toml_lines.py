"""Line numbers of keys in a TOML text, which ``tomllib`` does not give."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

Path = tuple[str | int, ...]

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_DOTTED})[ \t]*\]\]?[^\n]*")
_ASSIGNMENT = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
# Parts of a value. Strings come first, because a bracket, a quote or a line end inside one has no
# meaning. Three to five quotes close a multi-line string.
_VALUE_TOKEN = re.compile(
    r'"""(?:\\[\s\S]|[^\\])*?"{3,5}'
    r"|'''[\s\S]*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*|[\[{]|[\]}]|\n|[^\"'#\[\]{}\n]+"
)


def key_lines(text: str) -> Mapping[Path, int]:
    """Return the line, from 1, of every table header and of every key at the start of a line.

    An element of an array of tables is named by its index: ``("stages", 0, "shares")``; the
    array itself has the line of its first element.
    Keys inside inline tables and arrays are not listed; they share their outer key's line.
    ``text`` must be valid TOML.
    """
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}  # elements so far of each array of tables
    table: Path = ()
    position = 0
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        if header := _HEADER.match(text, position):
            brackets, dotted = header.groups()
            table = _resolve(_parts(dotted), counts, new_element=brackets == "[[")
            if brackets == "[[":
                lines.setdefault(table[:-1], line)
            lines.setdefault(table, line)
            position = header.end()
        elif key := _ASSIGNMENT.match(text, position):
            lines.setdefault((*table, *_parts(key[1])), line)
            position = _value_end(text, key.end())
        else:
            position = _line_end(text, position)
        position += 1  # past the line end
    return lines


def line_of(lines: Mapping[Path, int], path: Path) -> int | None:
    """Return the line of ``path``, or of the nearest enclosing table that has one."""
    for length in range(len(path), 0, -1):
        if (line := lines.get(path[:length])) is not None:
            return line
    return None


def _parts(dotted: str) -> tuple[str, ...]:
    """Return the keys of a dotted key, unquoted by the TOML parser."""
    value: object = tomllib.loads(f"{dotted} = 0")
    parts: list[str] = []
    while isinstance(value, dict):
        ((key, value),) = value.items()
        parts.append(key)
    return tuple(parts)


def _resolve(parts: tuple[str, ...], counts: dict[Path, int], *, new_element: bool) -> Path:
    """Return a header's keys, with the index of the newest element after each array of tables."""
    path: Path = ()
    for depth, part in enumerate(parts, 1):
        path = (*path, part)
        if depth == len(parts) and new_element:
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _value_end(text: str, position: int) -> int:
    """Return the end of the value that starts at ``position``: a line end outside brackets."""
    depth = 0
    while match := _VALUE_TOKEN.match(text, position):
        token = match[0]
        if token == "\n" and depth == 0:
            return position
        depth += (token in ("[", "{")) - (token in ("]", "}"))
        position = match.end()
    return len(text)


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end
