"""What a reader of wandb and its parent tell each other: JSON, a line each.

The parent sends a ``Query`` and, once it has seen all ``RunFound``, a list of run ids to read.
The child sends every ``RunFound``, ``Listed``, every ``RowFound`` of those runs and ``Finished``,
or ``Failed``. Both sides are this program; the texts inside are anybody's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from sn37.domain.canonical import JsonValue

MAX_LINE_BYTES = 2 << 20
_NUMBERS = (int, float)  # made once: ``int | float`` is a new object at every look
RETRIES = 5  # a minute; then the cause is told, before the deadline hides it


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which runs of a project to list, and what of their histories to read.

    Args:
        config: Runs are listed whose config has one of the values, by key.
        told: Keys of a run's config that are wanted.
        columns: Of a history row, taken as they are.
        indexed: Columns called ``name.0``, ``name.1`` and so on: a row comes once for each index.
        since, until: Unix seconds; rows written in ``[since, until)`` are wanted.
        page_steps: How many steps a request asks for.
        base_url: Where wandb is; what the client takes by itself when there is none.
        retries: Of one request, after 2, 4, 8 seconds and so on, or as the host says; not 0.
    """

    entity: str
    project: str
    config: Mapping[str, Sequence[str]]
    told: Sequence[str]
    columns: Sequence[str]
    indexed: Sequence[str] = ()
    since: float
    until: float
    page_steps: int
    base_url: str | None = None
    retries: int = RETRIES
    request_timeout_s: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFound:
    """A run of the project as its host knows it."""

    id: str
    config: Mapping[str, str]
    created_at: float  # Unix seconds
    heartbeat_at: float  # of its last sign of life


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """There are no more runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFound:
    """A row of a history, or one index of it, written inside the window and its run's time."""

    run: str
    step: int
    index: int | None
    written: float  # Unix seconds by its sender's clock
    values: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Everything was read; how many runs and rows did not qualify, by reason."""

    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The read was given up."""

    message: str


Report = RunFound | Listed | RowFound | Finished | Failed
_REPORTS: dict[str, type[Report]] = {
    report.__name__: report for report in (RunFound, Listed, RowFound, Finished, Failed)
}


def encode_query(query: Query) -> bytes:
    return _line(asdict(query))


def decode_query(line: bytes) -> Query:
    return Query(**json.loads(line))


def encode_report(report: Report) -> bytes:
    return _line([type(report).__name__, asdict(report)])


def decode_report(line: bytes) -> Report:
    kind, fields = json.loads(line)
    return _REPORTS[kind](**fields)


def encode_choice(runs: Sequence[str]) -> bytes:
    return _line(list(runs))


def decode_choice(line: bytes) -> list[str]:
    return [str(run) for run in json.loads(line)]


def moment(written: object) -> datetime | None:
    """Unix seconds as a time in UTC; ``None`` for what is no time between 1970 and 9999."""
    if not isinstance(written, _NUMBERS) or isinstance(written, bool):
        return None
    try:
        return datetime.fromtimestamp(written, UTC) if written >= 0 else None
    except (OverflowError, ValueError, OSError):
        return None


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"
