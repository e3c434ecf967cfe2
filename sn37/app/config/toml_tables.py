"""Tables of TOML files that people write: strict values, and one clause per mistake."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from pydantic import BaseModel, ConfigDict
from pydantic_core import ErrorDetails


class Table(BaseModel):
    """A TOML table: no unknown key, no NaN, and no text where a number belongs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def explain(problem: ErrorDetails, keys: Collection[str]) -> str:
    """What pydantic found, in one clause that says what to write instead.

    Args:
        keys: Those that some table of the file knows.
    """
    key = str(problem["loc"][-1])
    if problem["type"] == "missing":
        return f"the key {key!r} is missing"
    if problem["type"] == "extra_forbidden":
        close = get_close_matches(key, keys, n=1)
        return f"unknown key{f'; did you mean {close[0]!r}?' if close else ''}"
    if problem["type"] == "value_error":  # one of our own
        return problem["msg"].removeprefix("Value error, ")
    message = problem["msg"]
    return f"{message[0].lower()}{message[1:]}, not {shortened(problem['input'])}"


def shortened(value: object) -> str:
    """A value of the file for a message; ``this`` where it is long."""
    shown = repr(value)
    return shown if len(shown) <= 60 else "this"


def keys_of(table: object) -> set[str]:
    """Every key that some table knows, from its JSON schema."""
    if isinstance(table, dict):
        named = set(table.get("properties", ()))
        return named.union(*(keys_of(element) for element in table.values()))
    return set()
