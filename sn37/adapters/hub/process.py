"""Transfer processes as the validator sees them: started, listened to, killed in time."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from typing import IO

from sn37.adapters.hub import orders
from sn37.adapters.hub.orders import Announcement, Answer, Connection, Order
from sn37.domain.canonical import JsonValue
from sn37.ports.errors import PortError, StoreUnavailable

_MODULE = "sn37.adapters.hub.worker"
ADMISSION_TIMEOUT_S = 180.0  # until it is known how much is to be transferred
MIN_BYTES_PER_S = 2 << 20  # 15 GiB then take two hours
_INHERITED = (
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "PATH",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "https_proxy",
    "http_proxy",
    "no_proxy",
)  # and whatever begins with HF_; all else, names of wallets among it, stays here
_SETTINGS = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",  # one transfer path, the one that is tested
    "OPENBLAS_NUM_THREADS": "1",  # files are the unit of parallel work
}


async def carry_out(
    connection: Connection, order: Order, *, timeout_s: float = ADMISSION_TIMEOUT_S
) -> JsonValue:
    """The answer of a process of its own, which does not outlive this call.

    ``timeout_s`` is for everything but the transfer of an announced number of bytes.

    Raises:
        ModelRejected, ModelNotPublic: As the process reports it.
        StoreUnavailable: So it reports, or it took too long, or it died.
    """
    with tempfile.TemporaryFile() as log:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-s", "-m", _MODULE),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for the validator to handle
            )
        except OSError as error:
            raise StoreUnavailable(f"no transfer process: {error}") from error
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                return await _converse(process, orders.encode_order(connection, order), deadline)
        except TimeoutError as error:
            raise StoreUnavailable("the hub is too slow: the transfer was given up") from error
        except EOFError as error:
            raise StoreUnavailable(f"a transfer process died: {_last_line(log)}") from error
        finally:
            # At the end of its output it is ending by itself, and asyncio does not like a kill
            # to find that out first.
            if process.stdout is not None and not process.stdout.at_eof():
                process.kill()
            await process.communicate()


async def _converse(
    process: asyncio.subprocess.Process, order: bytes, deadline: asyncio.Timeout
) -> JsonValue:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(order)  # and it stays open: its end is the end of the process
    outcome: Answer | PortError | None = None
    async for line in process.stdout:
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
    raise EOFError


def _environment() -> dict[str, str]:
    path = os.pathsep.join(entry for entry in sys.path if os.path.isabs(entry))  # noqa: PTH117
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.startswith("HF_")
    }
    return {**inherited, **_SETTINGS, "PYTHONPATH": path}


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it left no message"
