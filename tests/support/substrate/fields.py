"""Fields of a commitment: as the SDK sends them, as the chain stores them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast


def raw_fields(text: str | bytes) -> list[object]:
    """``Raw`` fields of at most 128 bytes each that hold ``text``."""
    data = text.encode() if isinstance(text, str) else text
    chunks = [data[i : i + 128] for i in range(0, len(data), 128)] or [b""]
    return [{f"Raw{len(chunk)}": chunk} for chunk in chunks]


def fields_of(record: Mapping[str, object]) -> list[object]:
    return cast(list[object], cast(Mapping[str, object], record["info"])["fields"])


def sealed_round(record: Mapping[str, object]) -> object:
    for field in fields_of(record):
        if isinstance(field, dict) and "TimelockEncrypted" in field:
            return field["TimelockEncrypted"]["reveal_round"]
    raise LookupError("nothing is sealed")


def charged_bytes(field: object) -> int:
    """Bytes of one field that count against the space of an epoch."""
    if not isinstance(field, dict):
        return 0
    payload = next(iter(field.values()))
    return len(_bytes(payload["encrypted"] if isinstance(payload, dict) else payload))


def stored(fields: list[object]) -> list[object]:
    """Fields as the SDK reads them back: bytes in hex."""
    kept: list[object] = []
    for field in fields:
        if isinstance(field, dict):
            (variant, payload), *_ = field.items()
            if isinstance(payload, dict):
                kept.append({variant: {**payload, "encrypted": _hex(payload["encrypted"])}})
            else:
                _check_length(variant, payload)
                kept.append({variant: _hex(payload)})
        else:
            kept.append(field)
    return kept


def _check_length(variant: str, payload: object) -> None:
    length = variant.removeprefix("Raw")
    if variant.startswith("Raw") and (int(length) > 128 or int(length) != len(_bytes(payload))):
        raise ValueError(f"{variant} of {len(_bytes(payload))} bytes")  # the SDK's codec says so


def _bytes(payload: object) -> bytes:
    if isinstance(payload, str):
        return bytes.fromhex(payload[2:]) if payload.startswith("0x") else payload.encode()
    return cast(bytes, payload)


def _hex(payload: object) -> str:
    return "0x" + _bytes(payload).hex()


def compact(number: int) -> bytes:
    """SCALE's compact integer, for lengths under 2**14."""
    if number < 64:
        return bytes([number << 2])
    return (number << 2 | 1).to_bytes(2, "little")
