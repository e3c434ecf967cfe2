"""Runs in wandb, written by the real client in a process that can be killed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.adapters.child_process.running import Child, ChildError, child_environment, running
from sn37.adapters.telemetry.wandb_messages import (
    Opened,
    Order,
    Refused,
    Sent,
    decode_report,
    encode,
    encode_row,
)
from sn37.domain.printable import one_line
from sn37.ports.errors import TrackerUnavailable
from sn37.ports.run_tracker import RowAt, TrackedRun

if TYPE_CHECKING:
    from sn37.ports.run_tracker import RunTracker

_MODULE = "sn37.adapters.telemetry.wandb_child"
_INHERITED = frozenset({"NETRC", "XDG_CONFIG_HOME"})
_KEY = "WANDB_API_KEY"
DELIVERY_S = 300.0  # a run of 100 rows takes seconds


class WandbRuns:
    """Runs of one project.

    The client reads its own variables (``WANDB_API_KEY``, ``WANDB_ENTITY``, ...) from the
    environment. Each delivery is a process that opens the run, sends, and closes it, because only
    closing waits for the server.

    Args:
        folder: Of offline runs; ``None`` sends to the server. An offline run is one folder of the
            client, which is written again as a whole when there are more rows.
    """

    def __init__(self, *, project: str, folder: Path | None, timeout_s: float = DELIVERY_S) -> None:
        self._project = project
        self._folder = folder
        self._timeout_s = timeout_s

    async def deliver(self, run: TrackedRun, num_rows: int, row_at: RowAt) -> int:
        names = {"uid": run.uid, "hotkey": run.hotkey, "run_name": run.started}
        config = {name: value for name, value in names.items() if value is not None}
        order = Order(
            id=run.id,
            name=run.name,
            project=self._project,
            config={**config, "version": run.version, "type": "validator"},
            num_rows=num_rows,
            folder=None if self._folder is None else str(self._folder),
        )
        environment = child_environment({}, names=_INHERITED, prefix="WANDB_")
        if self._folder is not None:
            environment.pop(_KEY, None)
        try:
            async with asyncio.timeout(self._timeout_s), running(_MODULE, environment) as child:
                child.send(encode(order))
                return await _converse(child, num_rows, row_at)
        except TimeoutError as error:
            raise TrackerUnavailable(
                f"wandb did not take run {run.name} within {self._timeout_s:g} s; check the "
                "network connection"
            ) from error
        except ChildError as error:
            raise TrackerUnavailable(f"wandb: the client {_without_key(str(error))}") from error


async def _converse(child: Child, num_rows: int, row_at: RowAt) -> int:
    num_sent = 0
    async for line in child.lines():
        match decode_report(line):
            case Opened(num_rows=known):
                num_sent = max(num_rows - known, 0)
                for place in range(num_rows - num_sent, num_rows):
                    child.send(encode_row(row_at(place)))
                    await asyncio.sleep(0)  # lets the row be written
            case Sent():
                return num_sent
            case Refused(message=message):
                raise TrackerUnavailable(f"wandb: {_without_key(message)}")
    raise child.death()


def _without_key(text: str) -> str:
    """Return a message of the client for people: one line, never the key."""
    key = os.environ.get(_KEY)
    return one_line(text.replace(key, "***") if key else text)


if TYPE_CHECKING:
    _: type[RunTracker] = WandbRuns
