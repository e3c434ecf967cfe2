"""Messages between the validator's process and its transfer processes: one line of JSON each.

A new process reads one order from its standard input. It answers with an ``Announcement`` as
soon as the transfer's size is known, and with an ``Answer``. Both sides are this program, so
only the texts inside the messages are untrusted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import get_args

from sn37.domain.canonical import JsonValue, as_json
from sn37.domain.ids import Block, CompetitionId, Digest, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints, NormLimits
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelRef
from sn37.ports.errors import (
    ModelNotPublic,
    ModelRejected,
    PortError,
    PublishRefused,
    StoreFull,
    StoreUnavailable,
    Unavailable,
)


class TransferError(Exception):
    """Failure inside a transfer process, as reported by it; the cause of a port's error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Access to the hub. ``None`` means the default of huggingface_hub."""

    endpoint: str | None = None  # HF_ENDPOINT, or the public hub
    token: str | None = field(default=None, repr=False)  # HF_TOKEN, or `hf auth login`
    pause_s: float = 1.0  # before the first retry of a broken transfer; doubled each time


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchOrder:
    """Fetch the files of a commitment to ``home``, using ``partial`` meanwhile."""

    commitment: Commitment
    constraints: ModelConstraints
    partial: str
    home: str
    room_bytes: int  # what the disk quota leaves for it
    claimed_bytes: int = 0  # free disk bytes that other transfers may still take


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerOrder:
    """Fetch a prescribed tokenizer to ``home``."""

    repo: str
    revision: str
    partial: str
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOrder:
    """Find out whether the public can read a revision: the answer is a boolean."""

    repo: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOrder:
    """Check a revision that is not committed: the answer lists the checks that passed."""

    repo: str
    revision: str
    constraints: ModelConstraints
    folder: str  # for its files, which stay if it is admitted
    weights: bool  # also transfer and check the weights, not only their headers


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveOrder:
    """Find the commit that a branch or tag points to."""

    repo: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceOrder:
    """Find the licence in the model card of a revision: the answer is its name or null."""

    repo: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOrder:
    """Upload a folder to a private repository: the answer is its revision, v1 and v2 hash."""

    folder: str
    repo: str
    constraints: ModelConstraints  # of the competition that the model is meant for


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicOrder:
    """Make a repository public."""

    repo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyOrder:
    """Ask whose token this machine has: the answer is a ``HubIdentity`` as JSON."""


Order = (
    FetchOrder
    | TokenizerOrder
    | ProbeOrder
    | CheckOrder
    | ResolveOrder
    | LicenceOrder
    | IdentifyOrder
    | UploadOrder
    | PublicOrder
)
_ORDERS: dict[str, type[Order]] = {order.__name__: order for order in get_args(Order)}

_KINDS: dict[str, type[Unavailable]] = {
    "not_public": ModelNotPublic,
    "full": StoreFull,
    "unavailable": StoreUnavailable,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """Size of a transfer, sent before it begins."""

    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Result of a completed order."""

    value: JsonValue = None


Report = Announcement | Answer | PortError


def encode_order(connection: Connection, order: Order) -> bytes:
    return _line([as_json(connection), type(order).__name__, as_json(order)])


def decode_order(line: bytes) -> tuple[Connection, Order]:
    connection, kind, fields = json.loads(line)
    if kind == FetchOrder.__name__:
        fields["commitment"] = _commitment(fields["commitment"])
    if "constraints" in fields:
        fields["constraints"] = _constraints(fields["constraints"])
    return Connection(**connection), _ORDERS[kind](**fields)


def encode_report(report: Report) -> bytes:
    match report:
        case Announcement():
            return _line({"size_bytes": report.size_bytes})
        case Answer():
            return _line({"value": report.value})
        case ModelRejected():
            return _line({"rejected": str(report), "reason": report.reason})
        case PublishRefused():
            return _line({"refused": str(report)})
        case _:
            kind = next((k for k, error in _KINDS.items() if type(report) is error), "unavailable")
            wait_s = getattr(report, "retry_after_s", None)
            cause = _cause(report)
            return _line(
                {"kind": kind, "message": str(report), "retry_after_s": wait_s, "cause": cause}
            )


def decode_report(line: bytes) -> Report:
    """Return the report; an error is returned with its cause, not raised."""
    match json.loads(line):
        case {"size_bytes": int(size)}:
            return Announcement(size_bytes=size)
        case {"value": value}:
            return Answer(value=value)
        case {"rejected": str(message), "reason": reason}:
            return ModelRejected(message, reason=Reason(reason))
        case {"refused": str(message)}:
            return PublishRefused(message)
        case {"kind": str(kind), "message": message, "retry_after_s": wait_s, "cause": cause}:
            error = _KINDS[kind](message, retry_after_s=wait_s)
            error.__cause__ = TransferError(cause)
            return error
        case other:
            raise ValueError(f"invalid report of a transfer process: {str(other)[:80]}")


def _cause(error: BaseException) -> str:
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}"[:500]


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _commitment(fields: dict[str, JsonValue]) -> Commitment:
    match fields:
        case {
            "hotkey": str(hotkey),
            "block": int(block),
            "extrinsic_index": int(extrinsic_index),
            "competition": int(competition),
            "format": str(format_),
            "model": {
                "repo": str(repo),
                "revision": str(revision),
                "secure_hash": str(secure_hash),
            },
        }:
            return Commitment(
                hotkey=Hotkey(hotkey),
                block=Block(block),
                extrinsic_index=extrinsic_index,
                competition=CompetitionId(competition),
                model=ModelRef(repo=repo, revision=revision, secure_hash=Digest(secure_hash)),
                format=CommitmentFormat(format_),
            )
    raise ValueError("invalid commitment in a fetch order")


def _constraints(fields: dict[str, object]) -> ModelConstraints:
    match fields:
        case {
            "architectures": list(names),
            "norms": dict(norms),
            "min_parameters": int(min_parameters),
            "max_parameters": int(max_parameters),
            "max_bytes": int(max_bytes),
            "max_tokens": int(max_tokens),
        }:
            return ModelConstraints(
                architectures=frozenset(map(str, names)),
                norms=NormLimits(**norms),
                min_parameters=min_parameters,
                max_parameters=max_parameters,
                max_bytes=max_bytes,
                max_tokens=max_tokens,
            )
    raise ValueError("invalid constraints in an order")
