"""Messages between the sender of runs and its child process, one JSON line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TypeVar

from sn37.domain.canonical import JsonValue

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run to open. With a folder it is written there, otherwise sent to the server."""

    id: str
    name: str
    project: str
    config: Mapping[str, JsonValue]
    num_rows: int
    folder: str | None  # of offline runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The run has so many rows; the parent sends the others."""

    num_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """All rows were handed over and the run was closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Nothing more will come; ``message`` says why."""

    message: str


Report = Opened | Sent | Refused
_REPORTS: Mapping[str, type[Report]] = {c.__name__: c for c in (Opened, Sent, Refused)}


def encode(message: Order | Report) -> bytes:
    """Return a message as a line."""
    return json.dumps({"is": type(message).__name__, **asdict(message)}).encode() + b"\n"


def encode_row(row: Mapping[str, JsonValue]) -> bytes:
    """Return a row as a line."""
    return json.dumps(row).encode() + b"\n"


def decode_order(line: bytes) -> Order:
    """Return the order of a line."""
    return _decoded(Order, json.loads(line))


def decode_report(line: bytes) -> Report:
    """Return the report of a line."""
    told = json.loads(line)
    kind = _REPORTS[told["is"]]
    return _decoded(kind, told)


def _decoded(kind: type[_T], told: Mapping[str, JsonValue]) -> _T:
    return kind(**{field.name: told[field.name] for field in fields(kind)})  # type: ignore[arg-type]
