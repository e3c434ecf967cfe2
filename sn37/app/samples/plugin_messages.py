"""Messages between this program and the process in which a plug-in's code runs.

An order is a line of JSON. The answer has a list for each row; an object for rows that were set
aside and for each message of the log; at last an object that says that it is complete, or the
error. All are ASCII: JSON's escapes carry half of a surrogate pair. The other side is untrusted,
as the plug-in may do in its process what it wants.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sn37.domain.canonical import as_json
from sn37.domain.data.samples import PoolRequest, Provenance, Sample, TimeWindow
from sn37.domain.data.vetting import MAX_NAME_CHARACTERS, MAX_POOL_BYTES, ContractBroken, SetAside
from sn37.domain.ids import Hotkey, Seed
from sn37.domain.known_facts import checked
from sn37.domain.printable import one_line
from sn37.domain.schedule.competition import Freshness, ParameterValue, Source
from sn37.domain.schedule.methods import Method
from sn37.ports.dataset import Description, ParameterDescription, Pin

MAX_LINE_BYTES = (
    16 << 20
)  # the longest row that may be drawn has 2.4 MB; unvetted ones may be longer
MAX_ANSWER_BYTES = 2 * MAX_POOL_BYTES  # as much again for names, times and rows set aside
MAX_LOG_CHARACTERS = 10_000  # of one message
MAX_IDS = 1000  # of a line with rows set aside
MAX_PARAMETERS = 1000  # of a source
MAX_ROWS = 4_000_000  # of an answer, set aside or not; the hub's files have 3,200,000
_OURS = "an order is written by this module"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Work for a process with one plug-in; without ``source``, only its import.

    With ``source`` alone it opens the source. With ``request`` it collects the pool, with ``count``
    it draws, with ``is_pin`` it pins the revision of the source, which it does not open.
    """

    name: str
    source: Source | None = None
    request: PoolRequest | None = None
    count: int | None = None
    seed: Seed = Seed(0)  # noqa: RUF009 - an int
    is_pin: bool = False
    is_vetted: bool = True  # False gives a pool as the plug-in returns it
    log_level: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A message of the plug-in's log."""

    level: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """The last line of an answer without an error."""

    freshness: Freshness
    opened: str = ""  # type of the opened source
    left_random_alone: bool = True  # Python's global generator of random numbers
    description: Description | None = None  # if the plug-in has one
    pin: Pin | None = None  # of an order to pin; ``None`` if the plug-in cannot


class Kind(StrEnum):
    """Kind of an error that ends an answer."""

    NOT_FOUND = "not found"  # the plug-in cannot be imported
    REFUSED = "refused"  # it does not accept its parameters
    OPENING_FAILED = "opening failed"
    UNAVAILABLE = "unavailable"
    EXHAUSTED = "exhausted"
    DEFECT = "defect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The last line of an answer that failed."""

    kind: Kind
    message: str
    retry_after_s: float | None = None
    requested: int = 0  # rows, of a source that is exhausted
    available: int = 0


Line = Sample | SetAside | Logged | Complete | Failure


def encode_order(order: Order) -> bytes:
    """Return an order as one line, without its line break."""
    fields: dict[str, object] = {
        "name": order.name,
        "source": None,
        "request": as_json(order.request),
        "count": order.count,
        "seed": str(order.seed),
        "is_pin": order.is_pin,
        "is_vetted": order.is_vetted,
        "log_level": order.log_level,
    }
    if order.source is not None:
        # Parameters may be infinite, which the standard library's JSON has a word for.
        parameters = dict(order.source.parameters)
        fields["source"] = {**checked(as_json(order.source), dict, _OURS), "parameters": parameters}
    return json.dumps(fields).encode()


def decode_order(line: bytes) -> Order:
    """Return the order of a line that ``encode_order`` made."""
    fields: dict[str, Any] = checked(json.loads(line), dict, _OURS)
    fields["seed"] = Seed(int(fields["seed"]))
    if (source := fields["source"]) is not None:
        freshness, given = Freshness(source["freshness"]), source["parameters"]
        parameters = {key: _parameter(value) for key, value in given.items()}
        fields["source"] = Source(**{**source, "freshness": freshness, "parameters": parameters})
    if (request := fields["request"]) is not None:
        window, trusted = request["window"], request["trusted"]
        fields["request"] = PoolRequest(
            window=TimeWindow(
                since=datetime.fromisoformat(window["since"]),
                until=datetime.fromisoformat(window["until"]),
            ),
            trusted=None if trusted is None else frozenset(map(Hotkey, trusted)),
            salt=request["salt"],
        )
    return Order(**fields)


def in_parts(rows: SetAside) -> Iterator[SetAside]:
    """Split rows set aside into parts that fit on a line each."""
    for i in range(0, len(rows.row_ids), MAX_IDS):
        yield SetAside(why=rows.why, row_ids=rows.row_ids[i : i + MAX_IDS])


def encode_line(line: Line) -> bytes:
    """Return a line of an answer, with its line break."""
    match line:
        case Sample():
            told: object = _row(line)
        case SetAside(why=why, row_ids=row_ids):
            ids = [row_id[:MAX_NAME_CHARACTERS] for row_id in row_ids]
            told = {"aside": [why[:MAX_NAME_CHARACTERS], ids]}
        case Logged(level=level, text=text):
            told = {"log": [level, text[:MAX_LOG_CHARACTERS]]}
        case Complete():
            told = {"complete": asdict(line)}
        case Failure():
            told = {"error": asdict(line)}
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def decode_line(line: bytes) -> Line:
    """Return what a line of an answer says, its messages printable and on one line each.

    Raises:
        ContractBroken: It says nothing that the other side may say.
    """
    try:
        told: Any = json.loads(line)
        if type(told) is list:
            return _sample(told)
        match told:
            case {"aside": [str(why), list(ids)]}:
                return _set_aside(why, ids)
            case {"log": [int(level), str(text)]}:
                level = min(max(level, logging.NOTSET), logging.CRITICAL)
                return Logged(level=level, text=_message(text))
            case {"complete": {"opened": str(opened), "left_random_alone": bool(alone), **more}}:
                return Complete(
                    freshness=Freshness(str(more.get("freshness"))),
                    opened=_message(opened),
                    left_random_alone=alone,
                    description=_description(more.get("description")),
                    pin=_pin(more.get("pin")),
                )
            case {"error": {"kind": kind, "message": str(message), **more}}:
                return _failure(Kind(kind), _message(message), more)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ContractBroken(f"its process sent an invalid line: {error}") from error
    raise ContractBroken("its process sent an invalid line: it is not a row")


def _row(sample: Sample) -> list[object]:
    origin = sample.provenance
    return [
        origin.row_id,
        None if origin.produced_at is None else origin.produced_at.isoformat(),
        origin.signer,
        origin.stratum,
        sample.prompt,
        sample.reference,
        sample.choices,
    ]


def _sample(fields: list[Any]) -> Sample:
    row_id, produced_at, signer, stratum, prompt, reference, choices = fields
    for text in (row_id, prompt, reference, *choices):
        if type(text) is not str:
            raise TypeError(f"{type(text).__name__} in place of a text")
    for text in (signer, stratum):
        if text is not None and type(text) is not str:
            raise TypeError(f"{type(text).__name__} in place of a signer or stratum")
    return Sample(
        prompt=prompt,
        reference=reference,
        choices=tuple(choices),
        provenance=Provenance(
            row_id=row_id,
            produced_at=None if produced_at is None else datetime.fromisoformat(produced_at),
            signer=signer,
            stratum=stratum,
        ),
    )


def _set_aside(why: str, ids: list[Any]) -> SetAside:
    if not 0 < len(ids) <= MAX_IDS:
        raise ValueError(f"{len(ids):,} rows set aside, not 1 to {MAX_IDS:,}")
    for text in (why, *ids):
        if type(text) is not str or len(text) > MAX_NAME_CHARACTERS:
            raise ValueError("a reason or row id is not a text, or too long")
    return SetAside(why=one_line(why), row_ids=tuple(ids))


def _description(told: Any) -> Description | None:
    match told:
        case None:
            return None
        case {
            "method": str(method),
            "parameters": list(parameters),
            "packages": list(packages),
            "install": str(install),
        } if (
            len(parameters) <= MAX_PARAMETERS
            and len(packages) <= MAX_PARAMETERS
            and all(type(name) is str and name.isidentifier() for name in packages)
        ):
            return Description(
                method=Method(method),
                parameters=tuple(map(_parameter_description, parameters)),
                packages=tuple(map(_message, packages)),
                install=_message(install),
            )
    raise ValueError("a description without its fields")


def _parameter_description(told: Any) -> ParameterDescription:
    match told:
        case {
            "name": str(name),
            "takes": str(takes),
            "is_required": bool(is_required),
            "default": default,
        }:
            return ParameterDescription(
                name=_message(name),
                takes=_message(takes),
                is_required=is_required,
                default=None if default is None else _plain(default),
            )
    raise ValueError("a parameter without its fields")


def _plain(value: Any) -> ParameterValue:
    if isinstance(value, list):
        return tuple(map(_plain, value))
    if isinstance(value, bool | int | float | str):
        return value
    raise ValueError("a default that no schedule can contain")


def _pin(told: Any) -> Pin | None:
    match told:
        case None:
            return None
        case {"parameters": dict(parameters), "told": str(text)} if len(
            parameters
        ) <= MAX_PARAMETERS and all(type(value) is str for value in parameters.values()):
            pinned = {_message(name): _message(value) for name, value in parameters.items()}
            return Pin(parameters=pinned, told=_message(text))
    raise ValueError("a pin without its fields")


def _message(text: str) -> str:
    return one_line(text[:MAX_LOG_CHARACTERS], MAX_LOG_CHARACTERS)


def _failure(kind: Kind, message: str, more: Mapping[object, object]) -> Failure:
    match more:
        case {
            "retry_after_s": (None | int() | float()) as after,
            "requested": int(requested),
            "available": int(available),
        }:
            return Failure(
                kind=kind,
                message=message,
                retry_after_s=after if after is not None and math.isfinite(after) else None,
                requested=requested,
                available=available,
            )
    raise ValueError("an error without its fields")


def _parameter(value: ParameterValue | list[Any]) -> ParameterValue:
    return tuple(map(_parameter, value)) if isinstance(value, list) else value
