"""Errors of pydantic in plain words, because its own are written for programmers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

_MAX_SHOWN = 60  # characters
_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "bytes_type": "text",
    "dataclass_type": "a table of keys and values",
    "datetime_from_date_parsing": "a time, for example 2026-01-02T12:00:00Z",
    "datetime_parsing": "a time, for example 2026-01-02T12:00:00Z",
    "datetime_type": "a time, for example 2026-01-02T12:00:00Z",
    "dict_type": "a table of keys and values",
    "enum": "{expected}",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "int_type": "a whole number",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_type": "a table of keys and values",
    "path_type": "a path",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "string_type": "text",
    "timezone_aware": "a time with its zone, for example 2026-01-02T12:00:00Z",
    "too_long": "at most {max_length} values",
    "too_short": "at least {min_length} values",
    "tuple_type": "a list",
}
_OTHER = {
    "extra_forbidden": "unknown key",
    "json_invalid": "not JSON: {error}",
    "missing": "missing",
}


def reason(problem: Mapping[str, object]) -> str:
    """Return what is wrong with a value as one clause, without the value.

    Args:
        problem: One element of ``ValidationError.errors()``.
    """
    kind, context = str(problem["type"]), problem.get("ctx")
    details = context if isinstance(context, dict) else {}
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind].format(**details)}"
    if kind in _OTHER:
        return _OTHER[kind].format(**details)
    # Messages of our own checks get this prefix.
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}"


def shown(value: object) -> str:
    """Return a value as people type it, shortened if it is long."""
    match value:
        case bool():
            text = str(value).lower()
        case date():
            text = str(value)
        case Path():
            text = repr(str(value))
        case _:
            text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."
