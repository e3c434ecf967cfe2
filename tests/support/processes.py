"""What the kernel says about a process and its children."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def children_of(pid: int | str) -> set[int]:
    """The pids of its living children, whichever of its threads started them."""
    children: set[int] = set()
    for task in Path("/proc", str(pid), "task").iterdir():
        # A thread may end between the listing and the look at it.
        with suppress(FileNotFoundError, ProcessLookupError):
            children.update(map(int, (task / "children").read_text().split()))
    return children


def descendants_of(pid: int) -> set[int]:
    """Its children, theirs, and so on."""
    found = children_of(pid)
    for child in tuple(found):
        with suppress(FileNotFoundError):  # it has just ended
            found |= descendants_of(child)
    return found
