"""Checked access to values that the SDK decoded, since an endpoint may send anything.

Every function raises ``ValueError`` or ``TypeError`` for another type; the connection then
blames the endpoint for an invalid answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast


def a_mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected a record, not {type(value).__name__}")
    return cast(Mapping[str, object], value)


def a_list(value: object) -> Sequence[object]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise TypeError(f"expected a list, not {type(value).__name__}")
    return value


def an_int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"expected a count, not {value!r:.40}")
    return value


def an_address(value: object) -> str:
    if not isinstance(value, str) or not value.isalnum() or not value.isascii():
        raise ValueError(f"expected an ss58 address, not {value!r:.60}")
    return value


def a_hash(value: object) -> str:
    if not isinstance(value, str) or len(value) != 66 or not value.startswith("0x"):
        raise ValueError(f"expected a block hash, not {value!r:.80}")
    int(value, 16)
    return value.lower()


def some_bytes(value: object) -> bytes:
    """Return bytes that the SDK renders as hex, numbers, or text if they happen to be UTF-8."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if not isinstance(value, str):
        return bytes(an_int(number) for number in a_list(value))
    if value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass  # text that only looks like hex
    return value.encode(errors="surrogatepass")


def without_length(data: bytes) -> bytes:
    """Return the data without SCALE's compact length, which the chain leaves at its front."""
    if not data:
        return data
    mode = data[0] & 0b11
    return data[(1, 2, 4, 5 + (data[0] >> 2))[mode] :]
