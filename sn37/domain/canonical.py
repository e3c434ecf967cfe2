"""Canonical JSON, so that equal values have equal digests on every machine."""

from __future__ import annotations

import json
from hashlib import sha256

from sn37.domain.ids import Digest

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


def canonical_json(value: JsonValue) -> bytes:
    """UTF-8 JSON with sorted keys, no spaces, and floats as their shortest repr.

    Raises:
        ValueError: ``value`` holds NaN or an infinity, which JSON cannot say.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def canonical_digest(value: JsonValue) -> Digest:
    """Hex sha256 of the canonical JSON of ``value``."""
    return Digest(sha256(canonical_json(value)).hexdigest())
