"""Messages between a reader of wandb and its parent: one line of JSON each.

The parent sends a ``Query`` and, after all ``RunFound``, a list of run ids to read.
The child sends every ``RunFound``, ``Listed``, every ``RowFound`` of those runs and ``Finished``,
or ``Failed``. Both sides are this program; only the texts in the messages are untrusted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from sn37.domain.canonical import JsonValue

MAX_LINE_BYTES = 2 << 20
_NUMBERS = (int, float)  # made once: ``int | float`` creates an object at every use
RETRIES = 5  # takes a minute; then the cause is reported, before the deadline hides it


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The runs of a project to list, and the parts of their histories to read.

    Args:
        config: Accepted values by key; a listed run's config has one of them under each key.
        told: Keys of a run's config to return.
        signed_by: Two keys of a run's config, that of the hotkey, which must be one of ``config``,
            and that of the hotkey's signature over the run's id. Other runs are left out. ``None``:
            runs are not signed.
        columns: Columns of a history row to return unchanged.
        indexed: Columns named ``name.0``, ``name.1`` and so on: a row is returned for each index.
        since, until: Unix seconds; rows written in ``[since, until)`` are wanted.
        page_steps: Number of steps in a request.
        base_url: Address of wandb; ``None`` for the client's default.
        retries: Retries of one request, after 2, 4, 8 seconds and so on, or as the host says; at
            least 1.
    """

    entity: str
    project: str
    config: Mapping[str, Sequence[str]]
    told: Sequence[str]
    signed_by: tuple[str, str] | None = None
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
    """A run of the project as described by its host."""

    id: str
    config: Mapping[str, str]
    created_at: float  # Unix seconds
    heartbeat_at: float  # of its last heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """End of the list of runs."""


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
    """End of a complete read; counts of the runs and rows left out, by reason."""

    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """End of a failed read."""

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
    """Return Unix seconds as a time in UTC; ``None`` if not a time between 1970 and 9999."""
    if not isinstance(written, _NUMBERS) or isinstance(written, bool):
        return None
    try:
        return datetime.fromtimestamp(written, UTC) if written >= 0 else None
    except (OverflowError, ValueError, OSError):
        return None


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"
