"""Messages between the reader of a table and its parent: one line of JSON each.

The parent sends an ``Order``. The reader answers a draw with the samples and an ``End``, a pin
with a ``Pinned``, and either with an error.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sn37.adapters.dataset import sn1_hub_messages
from sn37.adapters.dataset.hub_rows.parameters import HubRowsParameters
from sn37.adapters.dataset.sn1_hub_messages import End
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Seed
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable

__all__ = ["End", "Order", "Pinned", "decode_line", "encode_line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A draw of ``count`` samples; with ``branch`` the manifest of its newest commit instead."""

    parameters: HubRowsParameters
    count: int = 0
    seed: Seed = Seed(0)  # noqa: RUF009 - an int
    branch: str | None = None
    folder: str | None = None  # of what was read; None: the user's own
    pause_s: float = 1.0  # before the first retry of a request

    def encode(self) -> bytes:
        parameters = self.parameters.model_dump_json()
        others = [self.count, str(self.seed), self.branch, self.folder, self.pause_s]
        return json.dumps([parameters, *others]).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Order:
        parameters, count, seed, branch, folder, pause_s = json.loads(line)
        return cls(
            parameters=HubRowsParameters.model_validate_json(parameters),
            count=count,
            seed=Seed(int(seed)),
            branch=branch,
            folder=folder,
            pause_s=pause_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A revision and its manifest, with sizes of the table for people."""

    revision: str
    manifest: str  # digest
    num_files: int
    num_groups: int
    num_rows: int
    largest_bytes: int  # of what one request for a row group reads


Line = Sample | End | Pinned | DatasetUnavailable | DatasetExhausted


def encode_line(line: Line) -> bytes:
    match line:
        case Pinned():
            return json.dumps({"pinned": asdict(line)}).encode() + b"\n"
        case DatasetExhausted():
            return json.dumps({"exhausted": [line.requested, line.available]}).encode() + b"\n"
        case _:
            return sn1_hub_messages.encode_line(line)


def decode_line(line: bytes) -> Line:
    """Return the value; an error is returned with its cause, not raised."""
    if line.startswith(b'{"pinned"'):
        return Pinned(**json.loads(line)["pinned"])
    if line.startswith(b'{"exhausted"'):
        requested, available = json.loads(line)["exhausted"]
        return DatasetExhausted(requested=requested, available=available)
    return sn1_hub_messages.decode_line(line)
