"""Writer of one run with the real client: order and rows from standard input, reports to output.

The client starts a native process, prints, and keeps caches; all of that stays inside this
process and its folder for temporary files.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from sn37.adapters.telemetry.wandb_messages import (
    Opened,
    Order,
    Refused,
    Report,
    Sent,
    decode_order,
    encode,
)
from sn37.durable import write_whole

if TYPE_CHECKING:
    from wandb import Run, Settings

MAX_MEMORY_BYTES = 3 << 29  # of this process and of the native one, each; 150 MB are usual
INIT_TIMEOUT_S = 60.0
_MARK = "sn37-rows"  # in an offline run's folder, written last: how many rows it has
# These would give all our runs one name or identity.
_OF_ONE_RUN = ("WANDB_NAME", "WANDB_RESUME", "WANDB_RUN_ID", "WANDB_MODE", "WANDB_SWEEP_ID")
_ADVICE = "check the network connection, WANDB_API_KEY and WANDB_BASE_URL"


def main() -> None:
    """Write one run."""
    reports = _silence()
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    order = decode_order(sys.stdin.buffer.readline())
    _prepare()
    try:
        _answer(order, reports)
    except ModuleNotFoundError as error:
        _report(reports, Refused(message=f"{error}; run pip install 'sn37[wandb]'"))
    except OSError as error:
        _report(reports, Refused(message=f"{error.filename or ''}: {error.strerror or error}"))
    os._exit(0)  # the guard ends the native process


def _answer(order: Order, reports: IO[bytes]) -> None:
    # The client reads its settings on import, so it is imported after they are made.
    import wandb
    from wandb.errors import Error, UsageError
    from wandb.sdk.mailbox import HandleAbandonedError

    try:
        if order.folder is None:
            _send(order, reports)
        else:
            _write(order, Path(order.folder), reports)
        wandb.teardown()
    except UsageError as error:
        _report(reports, Refused(message=f"{error} Set WANDB_API_KEY."))
    except (Error, HandleAbandonedError) as error:
        _report(reports, Refused(message=f"{str(error).rstrip('. ')}; {_ADVICE}"))
    else:
        _report(reports, Sent())


def _send(order: Order, reports: IO[bytes]) -> None:
    """Send the rows that the server lacks."""
    run = _opened(order, Path(tempfile.gettempdir()), "online")
    held = max(0, min(run.starting_step, order.num_rows))  # ``run.step`` is 0 until a row is logged
    _report(reports, Opened(num_rows=held))
    _log(run, range(held, order.num_rows))
    run.finish()


def _write(order: Order, folder: Path, reports: IO[bytes]) -> None:
    """Write the run as a whole, unless its folder has all rows; then remove older folders."""
    before = _folders(folder, order.id)
    if any(_marked(held) == order.num_rows for held in before):
        _report(reports, Opened(num_rows=order.num_rows))
        return
    folder.mkdir(parents=True, exist_ok=True)
    run = _opened(order, folder, "offline")
    _report(reports, Opened(num_rows=0))
    _log(run, range(order.num_rows))
    run.finish()
    write_whole(Path(run.dir).parent / _MARK, str(order.num_rows).encode())
    for held in before:
        if held != Path(run.dir).parent:
            shutil.rmtree(held, ignore_errors=True)


def _folders(folder: Path, run_id: str) -> list[Path]:
    return sorted((folder / "wandb").glob(f"offline-run-*-{run_id}"))


def _marked(held: Path) -> int | None:
    mark = held / _MARK
    return int(mark.read_bytes()) if mark.exists() else None


def _opened(order: Order, folder: Path, mode: Literal["online", "offline"]) -> Run:
    import wandb

    return wandb.init(
        id=order.id,
        name=order.name,
        project=order.project,
        config=dict(order.config),
        dir=str(folder),
        mode=mode,
        resume="allow" if mode == "online" else None,
        settings=_settings(wandb.Settings),
    )


def _settings(kind: type[Settings]) -> Settings:
    """Settings of a run that has rounds alone: no console, code, packages or machine figures."""
    return kind(
        console="off",
        disable_code=True,
        disable_git=True,
        init_timeout=INIT_TIMEOUT_S,
        save_code=False,
        silent=True,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
    )


def _log(run: Run, places: range) -> None:
    defined: set[str] = set()
    for place in places:
        row = json.loads(sys.stdin.buffer.readline())
        groups = {key.partition("/")[0] for key in row if "/" in key}
        for group in sorted(groups - defined):  # charts over blocks and not over rows
            run.define_metric(f"{group}/*", step_metric=f"{group}/block")
        defined |= groups
        run.log(row, step=place)


def _prepare() -> None:
    """Set up the client: nothing outside our folders, no error reports, no prompts."""
    folder = tempfile.gettempdir()
    for name in _OF_ONE_RUN:
        os.environ.pop(name, None)
    os.environ.update(
        {f"WANDB_{name}_DIR": folder for name in ("ARTIFACT", "CACHE", "DATA")},
        WANDB_ERROR_REPORTING="false",
        WANDB_SILENT="true",
    )


def _silence() -> IO[bytes]:
    """Return standard output as our own stream; later prints are discarded."""
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return reports


def _report(reports: IO[bytes], report: Report) -> None:
    reports.write(encode(report))
    reports.flush()


if __name__ == "__main__":
    main()
