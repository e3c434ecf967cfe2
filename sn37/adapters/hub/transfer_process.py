"""Transfer processes on the validator's side: send an order, read reports, enforce a deadline."""

from __future__ import annotations

import asyncio

from sn37.adapters.child_process.running import Child, ChildError, child_environment, running
from sn37.adapters.hub import transfer_messages as orders
from sn37.adapters.hub.transfer_messages import Announcement, Answer, Connection, Order
from sn37.domain.canonical import JsonValue
from sn37.ports.errors import PortError, StoreUnavailable

_MODULE = "sn37.adapters.hub.worker"
ADMISSION_TIMEOUT_S = 180.0  # until the size of the transfer is known
MIN_BYTES_PER_S = 2 << 20  # 15 GiB then take two hours
_SETTINGS = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",  # one transfer path, the one that is tested
    "OPENBLAS_NUM_THREADS": "1",  # files are the unit of parallel work
}


async def carry_out(
    connection: Connection, order: Order, *, timeout_s: float = ADMISSION_TIMEOUT_S
) -> JsonValue:
    """Run an order in its own process; return its answer. The process ends with this call.

    ``timeout_s`` does not include the time for an announced number of bytes.

    Raises:
        ModelRejected, ModelNotPublic: The process reports it.
        StoreUnavailable: The process reports it, took too long, or died.
    """
    try:
        async with (
            asyncio.timeout(timeout_s) as deadline,
            running(_MODULE, child_environment(_SETTINGS, prefix="HF_")) as child,
        ):
            child.send(orders.encode_order(connection, order))
            return await _answer(child, deadline)
    except TimeoutError as error:
        raise StoreUnavailable("the hub is too slow: the transfer was stopped") from error
    except ChildError as error:
        raise StoreUnavailable(f"a transfer process {error}") from error


async def _answer(child: Child, deadline: asyncio.Timeout) -> JsonValue:
    outcome: Answer | PortError | None = None
    async for line in child.lines():
        match orders.decode_report(line):
            case Announcement(size_bytes=size):
                if (until := deadline.when()) is not None:
                    deadline.reschedule(until + size / MIN_BYTES_PER_S)
            case report:
                outcome = report
    match outcome:
        case Answer(value=value):
            return value
        case PortError() as error:
            raise error
    raise child.death()
