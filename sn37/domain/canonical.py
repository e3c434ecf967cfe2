"""Canonical JSON, so that equal values have equal digests on every machine."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from hashlib import sha256
from pathlib import PurePath
from types import MappingProxyType

from sn37.domain.ids import Digest

_LATER = "added_later"
# Metadata of an optional field that came after others: the JSON leaves it out at its default, so
# validators of two versions have the same digest of the same rules.
ADDED_LATER = MappingProxyType({_LATER: True})

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


def canonical_json(value: JsonValue) -> bytes:
    """Return UTF-8 JSON with sorted keys, no spaces, and floats as their shortest repr.

    Raises:
        ValueError: ``value`` contains NaN or an infinity, which JSON does not have.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def canonical_digest(value: JsonValue) -> Digest:
    """Return the hex sha256 of the canonical JSON of ``value``."""
    return Digest(sha256(canonical_json(value)).hexdigest())


def fields_as_json(value: object) -> dict[str, JsonValue]:
    """Return the fields of a dataclass as JSON, by name; see ``as_json``."""
    if not is_dataclass(value):
        raise TypeError(f"a {type(value).__name__} has no fields")
    return {
        f.name: as_json(held)
        for f in fields(value)
        if (held := getattr(value, f.name)) != f.default or not f.metadata.get(_LATER)
    }


def as_json(value: object) -> JsonValue:
    """Return a domain value as JSON: fields by name, sets sorted, enums by their value.

    NaN and infinities become "nan", "inf" and "-inf".

    Raises:
        TypeError: ``value`` contains something that is not a domain value.
    """
    if value is None or (isinstance(value, (bool, int, str)) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Enum):
        return as_json(value.value)
    if isinstance(value, Mapping):
        return {str(key): as_json(element) for key, element in value.items()}
    if isinstance(value, Set):
        return sorted((as_json(element) for element in value), key=repr)
    if isinstance(value, (list, tuple)):
        return [as_json(element) for element in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if is_dataclass(value):
        return fields_as_json(value)
    raise TypeError(f"cannot convert {type(value).__name__} to JSON")
