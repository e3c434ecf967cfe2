"""Reads of a data set in other processes, each with another hash seed, locale and time zone.

The processes run this module too, under a guard that ends all they started: a request as a line of
JSON on standard input; on standard output a line for each row, then a line with ``null``, or with
the error. The output of a plug-in goes to standard error.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from sn37.app.data_tools.reader import Answer, Reader
from sn37.app.schedule.tables import parameter
from sn37.domain.canonical import as_json
from sn37.domain.data.samples import PoolRequest, TimeWindow
from sn37.domain.ids import Hotkey, Seed
from sn37.domain.known_facts import checked
from sn37.domain.printable import one_line
from sn37.domain.schedule.competition import Freshness, Source
from sn37.ports.errors import DatasetUnavailable, PortError

ENVIRONMENTS = (
    {"PYTHONHASHSEED": "1", "LC_ALL": "tr_TR.UTF-8", "TZ": "America/Los_Angeles"},
    {"PYTHONHASHSEED": "4711", "LC_ALL": "C", "TZ": "Pacific/Kiritimati"},
)
START_S = 30.0  # for the start of a process
_OURS = "an order is written by this module"


class AskElsewhere(Protocol):
    """Runs a module in a process of its own; the wiring has one that guards it."""

    async def __call__(
        self, module: str, order: bytes, environment: Mapping[str, str], *, timeout_s: float
    ) -> tuple[bytes, ...]:
        """Return the lines with which the module answers a line; nothing of it outlives the call.

        Args:
            environment: Variables that differ from this process's.

        Raises:
            DatasetUnavailable: It cannot be started, answers nothing, or does not end in time.
        """
        ...


async def answers_elsewhere(
    reader: Reader,
    ask: AskElsewhere,
    *,
    request: PoolRequest | None = None,
    count: int = 0,
    seed: Seed = Seed(0),  # noqa: B008 - an int
) -> list[tuple[str, Answer]]:
    """Return the answer in each other process, with a label of how that process differs.

    Raises:
        DatasetUnavailable: The source did not answer there.
    """
    order = {
        "source": as_json(reader.source),
        "deadline_s": reader.deadline_s,
        "request": as_json(request),
        "count": count,
        "seed": str(seed),
    }
    return [
        (f"in time zone {environment['TZ']}", await _answer_of(ask, order, reader, environment))
        for environment in ENVIRONMENTS
    ]


async def _answer_of(
    ask: AskElsewhere, order: object, reader: Reader, environment: Mapping[str, str]
) -> Answer:
    try:
        *rows, last = await ask(
            __name__, json.dumps(order).encode(), environment, timeout_s=reader.deadline_s + START_S
        )
        told = json.loads(last)
    except (DatasetUnavailable, ValueError) as error:
        told = str(error)
    if told is not None:
        raise DatasetUnavailable(f"data set {reader.source.name}: in another process: {told}")
    return [json.loads(row) for row in rows]


def main() -> None:
    """Answer one order."""
    # A plug-in, and what it starts, may print; the answer must be alone on its stream.
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        rows, error = asyncio.run(_answer(json.loads(sys.stdin.readline())))
        answer.writelines(json.dumps(line) + "\n" for line in (*rows, error))


async def _answer(order: dict[str, object]) -> tuple[Answer, str | None]:
    """Return the rows, or one line of text about the error."""
    reader = Reader(source=_source(order["source"]), deadline_s=float(str(order["deadline_s"])))
    request = order["request"]
    try:
        if request is not None:
            return await reader.rows(_request(request)), None
        count, seed = int(str(order["count"])), Seed(int(str(order["seed"])))
        return await reader.draw(count, seed), None
    except PortError as error:
        return [], one_line(str(error))


def _source(given: object) -> Source:
    fields: dict[str, Any] = checked(given, dict, _OURS)
    parameters = {k: parameter(k, v) for k, v in fields["parameters"].items()}
    return Source(
        **{**fields, "freshness": Freshness(fields["freshness"]), "parameters": parameters}
    )


def _request(given: object) -> PoolRequest:
    fields: dict[str, Any] = checked(given, dict, _OURS)
    window, trusted = fields["window"], fields["trusted"]
    return PoolRequest(
        window=TimeWindow(
            since=datetime.fromisoformat(window["since"]),
            until=datetime.fromisoformat(window["until"]),
        ),
        trusted=frozenset(map(Hotkey, trusted)) if isinstance(trusted, list) else None,
    )


if __name__ == "__main__":
    main()
