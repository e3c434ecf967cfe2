"""Parser of untrusted JSON: bounded in size and depth, no duplicate keys, no NaN."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

from sn37.domain.canonical import JsonValue

MAX_DEPTH = 16
# A string that never ends is matched to the end of the text. If the pattern failed there, it
# would be tried again from every later quote, which takes hours for a megabyte of them.
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class StrictJsonError(ValueError):
    """The text is not acceptable JSON; the message says why."""


def parse_object(text: bytes, *, max_depth: int = MAX_DEPTH) -> dict[str, JsonValue]:
    """Return the JSON object in ``text``, whose size the caller has bounded.

    Raises:
        StrictJsonError: Not UTF-8, not JSON, not an object, nested too deeply, a duplicate key,
            or a number that JSON does not allow.
    """
    if _depth(text) > max_depth:
        raise StrictJsonError(f"nested deeper than {max_depth}")
    try:
        value: JsonValue = json.loads(
            text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse
        )
    except StrictJsonError:
        raise
    except ValueError as error:  # bad UTF-8, bad syntax, an integer of 5,000 digits
        raise StrictJsonError(f"not JSON: {str(error)[:120]}") from error
    if not isinstance(value, dict):
        raise StrictJsonError("not a JSON object")
    return value


def keys_of(value: JsonValue) -> Iterator[str]:
    """Yield every key at any depth."""
    if isinstance(value, dict):
        yield from value
        for child in value.values():
            yield from keys_of(child)
    elif isinstance(value, list):
        for child in value:
            yield from keys_of(child)


def _depth(text: bytes) -> int:
    # Counted before parsing: the parser of the standard library is recursive.
    depth = deepest = 0
    for char in _STRINGS.sub(b"", text).translate(None, _NO_BRACKETS):
        if char in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in b"]}":
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise StrictJsonError(f"key {twice[:60]!a} appears twice")
    return found


def _refuse(constant: str) -> JsonValue:
    raise StrictJsonError(f"{constant} is not JSON")
