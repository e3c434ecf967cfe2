"""Reader of the histories of a wandb project, in a process that can be killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

from sn37.adapters.child_process.running import Child, ChildError, child_environment, running
from sn37.adapters.dataset.wandb_messages import (
    MAX_LINE_BYTES,
    Failed,
    Finished,
    Listed,
    Query,
    RowFound,
    RunFound,
    decode_report,
    encode_choice,
    encode_query,
)
from sn37.ports.errors import DatasetUnavailable

_MODULE = "sn37.adapters.dataset.wandb_child"
# Pools are read for ten minutes; this leaves time for a second attempt.
TIMEOUT_S = 280.0
_INHERITED = frozenset({"NETRC", "WANDB_API_KEY", "WANDB_BASE_URL"})

ChooseRuns = Callable[[tuple[RunFound, ...]], Collection[str]]
TakeRow = Callable[[RowFound], None]


class WandbError(Exception):
    """Failure inside the reader, as reported by it; the cause of a port's error."""


async def read_rows(
    query: Query, *, choose: ChooseRuns, take: TakeRow, timeout_s: float = TIMEOUT_S
) -> Mapping[str, int]:
    """Call ``take`` with every row of the window, of the runs that ``choose`` selects by id.

    Returns:
        Counts of the runs and rows left out, by reason.

    Raises:
        DatasetUnavailable: wandb did not answer, or not completely; the rows taken so far are
            incomplete.
    """
    where = f"wandb {query.entity}/{query.project}"
    try:
        async with (
            asyncio.timeout(timeout_s),
            running(
                _MODULE, child_environment({}, names=_INHERITED), max_line_bytes=MAX_LINE_BYTES
            ) as child,
        ):
            child.send(encode_query(query))
            return await _converse(child, choose, take)
    except TimeoutError as error:
        raise DatasetUnavailable(f"{where} could not be read within {timeout_s:g} s") from error
    except ChildError as error:
        raise DatasetUnavailable(f"{where}: the reader {error}") from error
    except WandbError as error:
        raise DatasetUnavailable(f"{where}: {error}") from error


async def _converse(child: Child, choose: ChooseRuns, take: TakeRow) -> Mapping[str, int]:
    runs: list[RunFound] = []
    async for line in child.lines():
        match decode_report(line):
            case RunFound() as run:
                runs.append(run)
            case Listed():
                # Signatures are checked here in a thread: the first one loads a library.
                chosen = await asyncio.to_thread(choose, tuple(runs))
                child.send(encode_choice(sorted(chosen)))
            case RowFound() as row:
                take(row)
            case Finished(left_out=left_out):
                return left_out
            case Failed(message=message):
                raise WandbError(message)
    raise child.death()
