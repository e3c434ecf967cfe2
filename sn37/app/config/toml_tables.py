"""Tables of TOML files that people write, with strict types and clear error messages."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from pydantic import BaseModel, ConfigDict
from pydantic_core import ErrorDetails

from sn37.wrong_values import reason, shown


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
    why = reason(problem)
    if problem["type"] == "value_error":  # our own checks quote the value where it helps
        return why
    return f"{why}, not {shown(problem['input'])}"


def keys_of(table: object) -> set[str]:
    """Return the keys of all tables, from their JSON schema."""
    if isinstance(table, dict):
        named = set(table.get("properties", ()))
        return named.union(*(keys_of(element) for element in table.values()))
    return set()
