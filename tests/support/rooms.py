"""The packages of ``sn37`` as rooms and their imports as arrows, read from the code.

``python -m tests.support.rooms`` writes the drawings into docs/architecture.md;
``tests/unit/test_rooms.py`` fails when they are out of date, or when rooms import in a circle.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import sn37

PACKAGE = Path(sn37.__file__).parent
DOCUMENT = Path(__file__).parents[2] / "docs" / "architecture.md"
DRAWN = ("app", "domain")

Arrows = Mapping[str, frozenset[str]]  # from a room to the rooms that it imports


def arrows(part: str) -> Arrows:
    """What the rooms of ``sn37.<part>`` import of each other.

    A room is a package of ``part``; a module beside the packages is a room of its own.
    """
    found: dict[str, set[str]] = {}
    for module in sorted((PACKAGE / part).rglob("*.py")):
        own = _room(module.relative_to(PACKAGE / part))
        if own is not None:
            found.setdefault(own, set()).update(_imported(module, part) - {own})
    return {room: frozenset(others & found.keys()) for room, others in found.items()}


def outside(part: str) -> frozenset[str]:
    """The top-level packages that ``sn37.<part>``, a package or a module, imports."""
    place = PACKAGE / part
    modules = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    return frozenset(name.partition(".")[0] for module in modules for name in imported(module))


def imported(module: Path) -> Iterator[str]:
    """The modules that a module imports, and names in modules with the module before a dot."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def circles(rooms: Arrows) -> frozenset[str]:
    """The rooms that import each other, directly or through others."""
    return frozenset(room for room in rooms if room in _reached(rooms, rooms[room]))


def drawing(part: str) -> str:
    """The rooms of ``sn37.<part>`` in mermaid, without arrows that longer ways imply."""
    rooms = arrows(part)
    lines = ["```mermaid", "flowchart TD"]
    for room in sorted(rooms):
        direct = rooms[room]
        implied = _reached(rooms, (further for next_ in direct for further in rooms[next_]))
        lines += [f"  {_node(room)} --> {_node(other)}" for other in sorted(direct - implied)]
        if not direct and not any(room in others for others in rooms.values()):
            lines.append(f"  {_node(room)}")
    return "\n".join([*lines, "```"])


def with_drawings(text: str) -> str:
    """A document with its drawings up to date."""
    for part in DRAWN:
        before, start, rest = text.partition(_mark(part))
        _, end, after = rest.partition(_END)
        if not (start and end):
            raise ValueError(f"{DOCUMENT.name} has no place for the drawing of {part}")
        text = f"{before}{start}\n{drawing(part)}\n{end}{after}"
    return text


_END = "<!-- end of drawing -->"


def _mark(part: str) -> str:
    return f"<!-- drawing of sn37/{part}: python -m tests.support.rooms -->"


def _node(room: str) -> str:
    """``end`` and the like are words of mermaid; a prefix keeps rooms apart from them."""
    return f"r_{room}[{room}]"


def _reached(rooms: Arrows, begin: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(begin)
    while waiting:
        room = waiting.pop()
        if room not in found:
            found.add(room)
            waiting.extend(rooms[room])
    return frozenset(found)


def _room(module: Path) -> str | None:
    """The first folder, or the module's own name; ``None`` for the package's own file."""
    name = module.parts[0].removesuffix(".py")
    return None if name == "__init__" else name


def _imported(module: Path, part: str) -> set[str]:
    prefix = f"sn37.{part}"
    rooms = set()
    for name in imported(module):
        if name.startswith(f"{prefix}."):
            rooms.add(name.removeprefix(f"{prefix}.").partition(".")[0])
    return rooms


if __name__ == "__main__":
    DOCUMENT.write_text(with_drawings(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT}\n")
