"""Messages between the reader of subnet 1's data set and its parent: one line of JSON each.

The parent sends a ``ReadOrder``. The reader answers with the samples and an ``End``, or with an
error. Both sides are this program; only the texts in the messages are untrusted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sn37.domain.data.samples import Provenance, Sample
from sn37.domain.ids import Hotkey
from sn37.ports.errors import DatasetUnavailable

MAX_LINE_BYTES = 2 << 20


class ReadingFailed(Exception):
    """Failure inside a reading process, as reported by it; the cause of a port's error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrder:
    """The data to read. Times are ISO 8601; ``trusted`` is ``None`` for unsigned rows of all."""

    repo: str
    endpoint: str | None
    pause_s: float
    since: str
    until: str
    trusted: Sequence[str] | None
    tasks: Sequence[str]
    salt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """End of the samples, with a text for the log about the rows left out."""

    left_out: str


Line = Sample | End | DatasetUnavailable


def encode_order(order: ReadOrder) -> bytes:
    return _line(asdict(order))


def decode_order(line: bytes) -> ReadOrder:
    return ReadOrder(**json.loads(line))


def encode_line(line: Line) -> bytes:
    match line:
        case Sample(provenance=origin):
            moment = origin.produced_at
            value: object = [
                origin.row_id,
                None if moment is None else moment.isoformat(),
                origin.signer,
                origin.stratum,
                line.prompt,
                line.reference,
                line.choices,
            ]
        case End():
            value = {"left_out": line.left_out}
        case DatasetUnavailable():
            cause = line.__cause__ or line
            value = {
                "unavailable": str(line),
                "retry_after_s": line.retry_after_s,
                "cause": f"{type(cause).__name__}: {cause}"[:500],
            }
    return _line(value)


def decode_line(line: bytes) -> Line:
    """Return the value; an error is returned with its cause, not raised."""
    match json.loads(line):
        case [str(row_id), moment, signer, stratum, str(prompt), str(reference), list(choices)]:
            return Sample(
                prompt=prompt,
                reference=reference,
                provenance=Provenance(
                    row_id=row_id,
                    produced_at=None if moment is None else datetime.fromisoformat(moment),
                    signer=None if signer is None else Hotkey(signer),
                    stratum=stratum,
                ),
                choices=tuple(choices),
            )
        case {"left_out": str(left_out)}:
            return End(left_out=left_out)
        case {"unavailable": str(message), "retry_after_s": wait_s, "cause": cause}:
            error = DatasetUnavailable(message, retry_after_s=wait_s)
            error.__cause__ = ReadingFailed(cause)
            return error
        case other:
            raise ValueError(f"invalid line of a reading process: {str(other)[:80]}")


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
