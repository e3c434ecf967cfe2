"""Rules for the value of one configuration key: a type, a range, or a few values.

A truth value is not a number and 1.0 is not 1, as in the configuration classes of
transformers, which reject the wrong type.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from sn37.domain.canonical import JsonValue

Settings = dict[str, JsonValue]


class Rule(Protocol):
    """A rule for one value."""

    def problem(self, value: JsonValue) -> str | None:
        """Return why ``value`` is rejected, as the end of a sentence; ``None`` if it is allowed."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from ``least`` to ``most``."""

    least: int
    most: int
    null: bool = False

    def problem(self, value: JsonValue) -> str | None:
        if value is None and self.null:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            return f"is not a whole number{_or_null(self.null)}"
        if self.least <= value <= self.most:
            return None
        return f"is not in {self.least} .. {self.most}{_or_null(self.null)}"


@dataclass(frozen=True, slots=True)
class Real:
    """A number from ``least`` to ``most``, written with a point unless ``whole``."""

    least: float
    most: float
    null: bool = False
    whole: bool = False

    def problem(self, value: JsonValue) -> str | None:
        if value is None and self.null:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"is not a number{_or_null(self.null)}"
        if isinstance(value, int) and not self.whole:
            return "must be written with a decimal point: transformers rejects it otherwise"
        if self.least <= value <= self.most:  # false for NaN; infinity is above
            return None
        return f"is not in {self.least:g} .. {self.most:g}{_or_null(self.null)}"


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def problem(self, value: JsonValue) -> str | None:
        return None if isinstance(value, bool) else "is neither true nor false"


@dataclass(frozen=True, slots=True, init=False)
class OneOf:
    """One of a few values; ``True`` is not 1."""

    values: tuple[JsonValue, ...]

    def __init__(self, *values: JsonValue) -> None:
        object.__setattr__(self, "values", values)

    def problem(self, value: JsonValue) -> str | None:
        if any(type(value) is type(allowed) and value == allowed for allowed in self.values):
            return None
        return f"is not {' or '.join(map(_text, self.values))}"


@dataclass(frozen=True, slots=True)
class Each:
    """A list whose elements obey ``rule``."""

    rule: Rule
    most: int
    null: bool = False

    def problem(self, value: JsonValue) -> str | None:
        if value is None and self.null:
            return None
        if not isinstance(value, list) or len(value) > self.most:
            return f"is not a list of at most {self.most}{_or_null(self.null)}"
        for item in value:
            if (why := self.rule.problem(item)) is not None:
                return f"has an element {shown(item)} that {why}"
        return None


@dataclass(frozen=True, slots=True)
class Text:
    """Text of at most ``most`` characters."""

    most: int
    null: bool = True

    def problem(self, value: JsonValue) -> str | None:
        if value is None and self.null:
            return None
        if isinstance(value, str) and len(value) <= self.most:
            return None
        return f"is not text of at most {self.most} characters{_or_null(self.null)}"


@dataclass(frozen=True, slots=True)
class Either:
    """A value that obeys one of two rules."""

    one: Rule
    other: Rule

    def problem(self, value: JsonValue) -> str | None:
        why = self.one.problem(value)
        return None if why is None or self.other.problem(value) is None else why


@dataclass(frozen=True, slots=True)
class Record:
    """An object with only these keys, all optional."""

    rules: Mapping[str, Rule]

    def problem(self, value: JsonValue) -> str | None:
        if not isinstance(value, dict):
            return "is not an object"
        for key, item in value.items():
            rule = self.rules.get(key)
            if rule is None:
                return f"has an unknown key {shown(key)}: remove it"
            if (why := rule.problem(item)) is not None:
                return f"has {key} {shown(item)}, which {why}"
        return None


@dataclass(frozen=True, slots=True)
class Anything:
    """A value that nothing reads."""

    def problem(self, value: JsonValue) -> str | None:
        return None


def nearest(key: str, known: Collection[str]) -> str:
    """Return the known key that differs only in case, dashes or blanks; else an empty text."""

    def plain(name: str) -> str:
        return "".join(char for char in name.casefold() if char.isalnum())

    wanted = plain(key)
    return next((name for name in sorted(known) if plain(name) == wanted), "")


def shown(value: JsonValue) -> str:
    """Return a value as a message may quote it: printable and short."""
    return ascii(value)[:60]


def _or_null(null: bool) -> str:
    return " or null" if null else ""


def _text(value: JsonValue) -> str:
    return json.dumps(value)
