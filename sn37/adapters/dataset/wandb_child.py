"""Reader of wandb: query and choice of runs from standard input, reports to standard output.

The client starts a native process, prints, and keeps caches; all of that stays inside this
process.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from sn37.adapters.dataset.wandb_history import Flooded, HistoryChanged, HistoryPage, rows_of
from sn37.adapters.dataset.wandb_listing import NotAsExpected, runs_of
from sn37.adapters.dataset.wandb_messages import (
    MAX_LINE_BYTES,
    Failed,
    Finished,
    Listed,
    Query,
    RunFound,
    decode_choice,
    decode_query,
    encode_report,
)

if TYPE_CHECKING:
    from wandb.apis.public import HistoryScan, Run

MAX_MEMORY_BYTES = 3 << 29  # of this process and of the native one, each; 150 MB are usual
MAX_FILE_BYTES = 1 << 30
_LISTED = encode_report(Listed())


def main() -> None:
    """Answer one query."""
    reports = _silence()
    for limit, most in (
        (resource.RLIMIT_DATA, MAX_MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
    ):
        resource.setrlimit(limit, (most, most))
    query = decode_query(sys.stdin.buffer.readline())
    _prepare(query)
    try:
        _answer(query, reports)
    except ModuleNotFoundError as error:
        _fail(reports, f"{error}; install the client with: pip install 'sn37[data]'")
    reports.flush()
    os._exit(0)  # the guard ends the native process


def _answer(query: Query, reports: IO[bytes]) -> None:
    # The client reads its settings on import, so it is imported after they are made.
    from wandb.errors import Error, UsageError
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError

    try:
        for line in _report_lines(query):
            reports.write(line)
            if line == _LISTED:
                reports.flush()
    except UsageError as error:
        _fail(reports, f"{error} Or set WANDB_API_KEY.")
    except (Error, WandbApiFailedError, NotAsExpected, HistoryChanged) as error:
        _fail(reports, str(error))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # The client's failures on JSON of an unexpected form.
        _fail(reports, f"the client cannot read an answer: {type(error).__name__}: {error}")


def _silence() -> IO[bytes]:
    """Return standard output as our own stream; later prints are discarded."""
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return reports


def _prepare(query: Query) -> None:
    """Set up the client: nothing outside our folder, no telemetry, no prompts."""
    folder = tempfile.gettempdir()
    os.environ.update(
        {f"WANDB_{name}_DIR": folder for name in ("ARTIFACT", "CACHE", "CONFIG", "DATA")}
    )
    os.environ.update(
        WANDB_DIR=folder,
        WANDB_ENTITY=query.entity,  # otherwise it requests the caller's own
        WANDB_ERROR_REPORTING="false",
        WANDB_HTTP_TIMEOUT=str(query.request_timeout_s),
        WANDB_SILENT="true",
        WANDB_X_GRAPHQL_RETRY_MAX=str(query.retries),
    )
    if query.base_url:
        os.environ["WANDB_BASE_URL"] = query.base_url


def _report_lines(query: Query) -> Iterator[bytes]:
    import wandb

    # Only the parent's deadline ends a request that is being retried.
    api = wandb.Api(timeout=24 * 3600)
    left_out: Counter[str] = Counter()
    runs: dict[str, tuple[RunFound, Run]] = {}
    for found, run in runs_of(api, query, left_out):
        runs[found.id] = found, run
        yield encode_report(found)
    yield _LISTED
    for chosen in decode_choice(sys.stdin.buffer.readline()):
        try:
            yield from _read(*runs[chosen], query, left_out)
        except Flooded:
            left_out["runs with too much in the window"] += 1
    yield encode_report(Finished(left_out=dict(left_out)))


def _read(found: RunFound, run: Run, query: Query, left_out: Counter[str]) -> Iterator[bytes]:
    last_step = run.lastHistoryStep
    scan: HistoryScan | None = None

    def read(start: int, stop: int) -> HistoryPage:
        nonlocal scan
        # A new scan requests the run's steps and archives again, so full pages share one. A scan
        # that reached the end of an archive, as in a gap, no longer finds older rows.
        if scan is None:
            scan = run.scan_history(max_step=last_step + 1, page_size=query.page_steps)
        scan.min_step, scan.page_size = start, stop - start
        # Otherwise it would continue from an empty page to pages that were read before.
        scan._stop_step = stop
        first = next(iter(scan), None)
        is_there = first is not None and scan.page_offset == stop
        page: HistoryPage = list(scan.rows) if is_there else []
        if len(page) < stop - start:
            scan = None
        return page

    for row in rows_of(found, last_step, query, read, left_out):
        line = encode_report(row)
        if len(line) > MAX_LINE_BYTES:
            left_out["rows that are too long"] += 1
        else:
            yield line
    # A deleted run has pages without rows.
    if run.lastHistoryStep < last_step:
        raise HistoryChanged(f"run {found.id} lost steps while it was read")


def _fail(reports: IO[bytes], message: str) -> None:
    reports.write(encode_report(Failed(message=" ".join(message.split())[:500])))


if __name__ == "__main__":
    main()
