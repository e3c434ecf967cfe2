"""JSON columns: writing, and reading with a type check of every value."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TypeVar

from sn37.domain.canonical import JsonValue

_T = TypeVar("_T")

_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class CodecError(ValueError):
    """The content of a column is not what this program writes there."""


def dump(value: JsonValue) -> str:
    """Return compact JSON in ASCII, so that every text is accepted, even a lone surrogate."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def load(text: str, read: Callable[[JsonValue], _T]) -> _T:
    """Decode the JSON in ``text`` with ``read``.

    Raises:
        CodecError: The text is not JSON, a field is missing, or a value has a wrong type.
    """
    try:
        return read(json.loads(text))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CodecError(f"{type(error).__name__}: {error} in {text[:80]!r}") from error


def from_float(value: float) -> JsonValue:
    """Return the number, or "nan", "inf", "-inf" for values that JSON does not have."""
    return float(value) if math.isfinite(value) else str(float(value))


def to_float(value: JsonValue) -> float:
    if type(value) is float:
        return value
    if type(value) is str:
        return _NON_FINITE[value]
    raise TypeError(f"not a number: {value!r}")


def to_int(value: JsonValue) -> int:
    if type(value) is not int:  # isinstance would accept a bool
        raise TypeError(f"not an integer: {value!r}")
    return value


def to_bool(value: JsonValue) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"not a boolean: {value!r}")
    return value


def to_str(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r}")
    return value


def to_list(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise TypeError(f"not a list: {value!r}")
    return value


def to_record(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise TypeError(f"not an object: {value!r}")
    return value


def optional(read: Callable[[JsonValue], _T], value: JsonValue) -> _T | None:
    """Apply ``read`` to the value; ``None`` stays ``None``."""
    return None if value is None else read(value)
