"""Schedules that name another one as their ``base``, and only hold what differs from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sn37.app.config import toml_lines
from sn37.app.config import toml_reader as toml_files

Place = tuple[str, int]  # name of a file, and a line in it
Read = Callable[[str], tuple[str, str]]  # from the value of ``base`` to origin and text


class WrongBase(Exception):
    """The base cannot be used, or does not have what is to be changed; ``path`` is the key."""

    def __init__(self, message: str, path: toml_lines.Path) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, slots=True)
class Overlaid:
    """The tables of a schedule with its base, and where each key stands."""

    table: dict[str, object]
    places: Mapping[toml_lines.Path, Place]

    def place(self, path: toml_lines.Path) -> Place | None:
        """Return the place of a key, or of the nearest enclosing table that has one."""
        for length in range(len(path), 0, -1):
            if (place := self.places.get(path[:length])) is not None:
                return place
        return None


def with_base(origin: str, text: str, read: Read) -> Overlaid:
    """Return the tables of a text, on top of those of the schedule that its key ``base`` names.

    A table changes the keys that it has, and leaves the others. The list ``tasks`` of a competition
    is written as a table for each task, by the task's name. Any other value takes the place of the
    base's.

    Raises:
        UnreadableToml: One of the texts is not TOML.
        WrongBase: The base has a base itself, or lacks a task that is to be changed.
    """
    table = toml_files.parse(text)
    places = {path: (origin, line) for path, line in toml_lines.key_lines(text).items()}
    if "base" not in table:
        return Overlaid(table, places)
    name = table.pop("base")
    if not isinstance(name, str):
        raise WrongBase("expected the name of a preset or a file", ("base",))
    base_origin, base_text = read(name)
    try:
        base = toml_files.parse(base_text)
    except toml_files.UnreadableToml as error:
        raise WrongBase(f"{base_origin}: {error}", ("base",)) from error
    if "base" in base:
        raise WrongBase(f"{base_origin} has a base itself: name that one", ("base",))
    known = {p: (base_origin, line) for p, line in toml_lines.key_lines(base_text).items()}
    return Overlaid(_over(base, table, (), known, places), known)


def _over(
    base: Mapping[str, object],
    changes: Mapping[str, object],
    path: toml_lines.Path,
    known: dict[toml_lines.Path, Place],
    places: Mapping[toml_lines.Path, Place],
) -> dict[str, object]:
    """Return the base with changes, and write into ``known`` where they stand."""
    result = dict(base)
    for key, value in changes.items():
        here = (*path, key)
        if here in places:
            known[here] = places[here]
        before = base.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            result[key] = _over(before, value, here, known, places)
        elif key == "tasks" and isinstance(before, list) and isinstance(value, dict):
            result[key] = _over_tasks(before, value, here, known, places)
        else:
            known |= {p: place for p, place in places.items() if p[: len(here)] == here}
            result[key] = value
    return result


def _over_tasks(
    base: list[object],
    changes: Mapping[str, object],
    path: toml_lines.Path,
    known: dict[toml_lines.Path, Place],
    places: Mapping[toml_lines.Path, Place],
) -> list[object]:
    """Return the tasks of a competition, changed by name."""
    tasks = list(base)
    named = {
        str(task["name"]): (n, task)
        for n, task in enumerate(base)
        if isinstance(task, dict) and "name" in task
    }
    for name, change in changes.items():
        if name not in named or not isinstance(change, dict):
            listed = ", ".join(named)
            raise WrongBase(f"the base has no task {name}; it has: {listed}", (*path, name))
        index, task = named[name]
        for keys in ((), *((key,) for key in change)):
            if (place := places.get((*path, name, *keys))) is not None:
                known[(*path, index, *keys)] = place
        tasks[index] = {**task, **change}
    return tasks
