"""Differences between two domain values, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sn37.domain.canonical import JsonValue


@dataclass(frozen=True, slots=True)
class Difference:
    """One place at which a record differs from the value derived from other records."""

    where: str
    recorded: str
    derived: str

    def __str__(self) -> str:
        return f"{self.where}: {self.recorded}; derived: {self.derived}"


def compare(where: str, recorded: JsonValue, derived: JsonValue) -> Iterator[Difference]:
    """Yield each innermost field that differs; numbers are compared to their last digit."""
    if isinstance(recorded, dict) and isinstance(derived, dict):
        for name in sorted({*recorded, *derived}):
            yield from compare(f"{where}, {name}", recorded.get(name), derived.get(name))
    elif isinstance(recorded, list) and isinstance(derived, list):
        if len(recorded) != len(derived):
            yield Difference(f"{where}, length", str(len(recorded)), str(len(derived)))
        for position, (ours, theirs) in enumerate(zip(recorded, derived, strict=False)):
            yield from compare(f"{where} {position}", ours, theirs)
    elif type(recorded) is not type(derived) or recorded != derived:
        yield Difference(where, _shown(recorded), _shown(derived))


def _shown(value: JsonValue) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
