"""Reads of a data set in other processes, each with another hash seed, locale and time zone.

The processes run this module too: a request as JSON on standard input, the answer on standard
output.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import datetime

from sn37.app.data_tools.reader import Answer, Reader
from sn37.app.schedule.tables import parameter
from sn37.domain.canonical import as_json
from sn37.domain.data.samples import PoolRequest, TimeWindow
from sn37.domain.ids import Hotkey, Seed
from sn37.domain.printable import one_line
from sn37.domain.schedule.competition import Freshness, Source
from sn37.ports.errors import DatasetUnavailable, PortError

ENVIRONMENTS = (
    {"PYTHONHASHSEED": "1", "LC_ALL": "tr_TR.UTF-8", "TZ": "America/Los_Angeles"},
    {"PYTHONHASHSEED": "4711", "LC_ALL": "C", "TZ": "Pacific/Kiritimati"},
)
START_S = 30.0  # for the start of a process


async def answers_elsewhere(
    reader: Reader,
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
        (f"in time zone {environment['TZ']}", await _ask(order, reader, environment))
        for environment in ENVIRONMENTS
    ]


async def _ask(order: object, reader: Reader, environment: dict[str, str]) -> Answer:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        async with asyncio.timeout(reader.deadline_s + START_S):
            output, _ = await process.communicate(json.dumps(order).encode())
    except TimeoutError as error:
        raise DatasetUnavailable(
            f"data set {reader.source.name}: no answer in another process"
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    found = json.loads(output or "null")
    if not isinstance(found, list):
        told = found or f"the process ended with {process.returncode}"
        raise DatasetUnavailable(f"data set {reader.source.name}: in another process: {told}")
    return found


async def _answer(order: dict[str, object]) -> object:
    """Return the rows, or one line of text about the error."""
    given, request = order["source"], order["request"]
    assert isinstance(given, dict)
    source = Source(
        **{
            **given,
            "freshness": Freshness(given["freshness"]),
            "parameters": {k: parameter(k, v) for k, v in given["parameters"].items()},
        }
    )
    reader = Reader(source=source, deadline_s=float(str(order["deadline_s"])))
    try:
        if isinstance(request, dict):
            return await reader.rows(_request(request))
        return await reader.draw(int(str(order["count"])), Seed(int(str(order["seed"]))))
    except PortError as error:
        return one_line(str(error))


def _request(given: dict[str, object]) -> PoolRequest:
    window, trusted = given["window"], given["trusted"]
    assert isinstance(window, dict)
    return PoolRequest(
        window=TimeWindow(
            since=datetime.fromisoformat(window["since"]),
            until=datetime.fromisoformat(window["until"]),
        ),
        trusted=frozenset(map(Hotkey, trusted)) if isinstance(trusted, list) else None,
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_answer(json.load(sys.stdin)))))
