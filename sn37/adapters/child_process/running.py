"""Child processes as this program sees them: started, listened to, and gone in time."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from typing import IO

_GUARD = "sn37.adapters.child_process.guard"
_GRACE_S = 10.0  # for a guard to kill what it guards; milliseconds are usual
_INHERITED = frozenset(
    {
        "HOME",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NO_PROXY",
        "PATH",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "XDG_CACHE_HOME",
        "https_proxy",
        "http_proxy",
        "no_proxy",
    }
)  # all else, names of wallets among it, stays here


class ChildError(Exception):
    """The process could not be started, or died; the message says which, and of what."""


class Child:
    """A running process: takes bytes, gives lines."""

    def __init__(self, process: asyncio.subprocess.Process, log: IO[bytes]) -> None:
        self._process = process
        self._log = log

    def send(self, order: bytes) -> None:
        """Put a short order, with its line break, on the process's standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(order)  # and it stays open: its end is the end of the process

    async def lines(self) -> AsyncIterator[bytes]:
        """What it writes, until it closes its standard output.

        Raises:
            ChildError: A line is longer than agreed.
        """
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                yield line
        except ValueError as error:
            raise ChildError("a line of its output is too long") from error

    def death(self) -> ChildError:
        """For a process whose output ended too early: the last thing it complained about."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return ChildError(f"died: {lines[-1][:200] if lines else 'it left no message'}")


@asynccontextmanager
async def running(
    module: str, environment: Mapping[str, str], *, max_line_bytes: int = 1 << 16
) -> AsyncIterator[Child]:
    """``python -m module`` under a guard, see there; nothing of it outlives the context.

    Its folder for temporary files is its own and goes with it. Leaving the context kills the
    process unless it has ended; a deadline is the caller's, by ``asyncio.timeout``.

    Args:
        environment: All that it inherits; ``child_environment`` makes one.
        max_line_bytes: Longest line of its output; twice as much is held in memory.

    Raises:
        ChildError: It cannot be started.
    """
    with (
        tempfile.TemporaryFile() as log,
        tempfile.TemporaryDirectory(prefix="sn37-", ignore_cleanup_errors=True) as scratch,
    ):
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-s", "-m", _GUARD, scratch, module),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**environment, "TMPDIR": scratch},
                start_new_session=True,  # Ctrl-C is for the validator to handle
                limit=max_line_bytes,
            )
        except OSError as error:
            raise ChildError(f"cannot be started: {error}") from error
        try:
            yield Child(process, log)
        finally:
            await _end(process)


def child_environment(
    settings: Mapping[str, str], *, names: Collection[str] = (), prefix: str | None = None
) -> dict[str, str]:
    """What a child needs of our environment, and ``settings`` on top.

    Args:
        names: Variables it inherits besides those of paths, proxies and certificates.
        prefix: It inherits those whose names begin with this, too.
    """
    path = os.pathsep.join(entry for entry in sys.path if os.path.isabs(entry))  # noqa: PTH117
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name in names or (prefix is not None and name.startswith(prefix))
    }
    return {**inherited, **settings, "PYTHONPATH": path}


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_GRACE_S):
            await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
