"""Tables of TOML files that people write, with strict types and clear error messages."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from pydantic import BaseModel, ConfigDict
from pydantic_core import ErrorDetails


class Table(BaseModel):
    """A TOML table without unknown keys, NaN, or values of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def explain(problem: ErrorDetails, keys: Collection[str]) -> str:
    """Return pydantic's finding as one clause that says what to write instead.

    Args:
        keys: Keys of all tables of the file.
    """
    key = str(problem["loc"][-1])
    if problem["type"] == "missing":
        return f"the key {key!r} is missing"
    if problem["type"] == "extra_forbidden":
        close = get_close_matches(key, keys, n=1)
        return f"unknown key{f'; did you mean {close[0]!r}?' if close else ''}"
    if problem["type"] == "value_error":  # raised by our own checks
        return problem["msg"].removeprefix("Value error, ")
    message = problem["msg"]
    return f"{message[0].lower()}{message[1:]}, not {shortened(problem['input'])}"


def shortened(value: object) -> str:
    """Return a value of the file for a message, or ``this`` if it is long."""
    shown = repr(value)
    return shown if len(shown) <= 60 else "this"


def keys_of(table: object) -> set[str]:
    """Return the keys of all tables, from their JSON schema."""
    if isinstance(table, dict):
        named = set(table.get("properties", ()))
        return named.union(*(keys_of(element) for element in table.values()))
    return set()
