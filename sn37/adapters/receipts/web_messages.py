"""Messages between the validator and the process that reads a web server: a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sn37.ports.errors import (
    OfferRefused,
    PortError,
    ReceiptsUnavailable,
    ReceiptsUnreachable,
)

_KINDS: dict[str, type[PortError]] = {
    "refused": OfferRefused,
    "unreachable": ReceiptsUnreachable,
    "unavailable": ReceiptsUnavailable,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOrder:
    """Fetch the index, or rounds that the index in the folder names."""

    address: str  # of the folder on the server, with a slash at its end
    folder: str  # on this machine
    rounds: Sequence[str] | None = None  # names of their folders; ``None``: the index
    pause_s: float = 1.0  # before the first retry; longer each time


def encode_order(order: WebOrder) -> bytes:
    return _line([order.address, order.folder, order.rounds, order.pause_s])


def decode_order(line: bytes) -> WebOrder:
    address, folder, rounds, pause_s = json.loads(line)
    return WebOrder(address=address, folder=folder, rounds=rounds, pause_s=pause_s)


def encode_progress() -> bytes:
    """Return the report that something has been fetched completely."""
    return _line({"done": True})


def encode_failure(error: PortError) -> bytes:
    kind = next(name for name, error_type in _KINDS.items() if isinstance(error, error_type))
    return _line({"failed": str(error), "kind": kind})


def decode_report(line: bytes) -> PortError | None:
    """Return the failure of a report; ``None`` for progress."""
    match json.loads(line):
        case {"done": True}:
            return None
        case {"failed": str(message), "kind": str(kind)}:
            return _KINDS[kind](message)
        case other:
            raise ValueError(f"invalid report: {str(other)[:80]}")


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"
