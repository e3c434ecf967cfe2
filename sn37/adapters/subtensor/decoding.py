"""Checked access to what the SDK decoded: an endpoint may send anything.

Every function raises ``ValueError`` or ``TypeError`` on another shape, which the connection
takes as an endpoint that answers nonsense.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast


def a_mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"a record was expected, not {type(value).__name__}")
    return cast(Mapping[str, object], value)


def a_list(value: object) -> Sequence[object]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise TypeError(f"a list was expected, not {type(value).__name__}")
    return value


def an_int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"a count was expected, not {value!r:.40}")
    return value


def an_address(value: object) -> str:
    if not isinstance(value, str) or not value.isalnum() or not value.isascii():
        raise ValueError(f"an ss58 address was expected, not {value!r:.60}")
    return value


def a_hash(value: object) -> str:
    if not isinstance(value, str) or len(value) != 66 or not value.startswith("0x"):
        raise ValueError(f"a block hash was expected, not {value!r:.80}")
    int(value, 16)
    return value.lower()


def some_bytes(value: object) -> bytes:
    """Bytes as the SDK renders them: hex, numbers, or text where they happen to be UTF-8."""
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
    """What is left behind SCALE's compact length at the front, which the chain leaves there."""
    if not data:
        return data
    mode = data[0] & 0b11
    return data[(1, 2, 4, 5 + (data[0] >> 2))[mode] :]
