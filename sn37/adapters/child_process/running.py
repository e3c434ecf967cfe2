"""Child processes on the parent's side: start, exchange of messages, and end."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from typing import IO

from sn37.domain.known_facts import known
from sn37.domain.printable import one_line

PIPED = "the streams of a child are pipes"
_GUARD = "sn37.adapters.child_process.guard"
_GRACE_S = 10.0  # for a guard to kill its worker; milliseconds are usual
_LAST_WORDS_BYTES = 8192  # read of its errors, of which it may write any amount
_DISCARDED_BYTES = 1 << 16  # of its output at a time
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
)  # other variables, such as names of wallets, are not inherited


class ChildError(Exception):
    """The process could not be started, or died; the message says why."""


class Child:
    """A running process, which receives bytes and sends lines."""

    def __init__(self, process: asyncio.subprocess.Process, log: IO[bytes]) -> None:
        self._process = process
        self._log = log

    def send(self, order: bytes) -> None:
        """Write a short order, with its line break, to the process's standard input."""
        stdin = known(self._process.stdin, PIPED)
        stdin.write(order)  # stays open: closing it ends the process

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines of its output, until it closes its standard output.

        Raises:
            ChildError: A line is longer than allowed.
        """
        try:
            async for line in known(self._process.stdout, PIPED):
                yield line
        except ValueError as error:
            raise ChildError("sent a line that is too long") from error

    def death(self) -> ChildError:
        """Return the error of a process whose output ended too early: its last line of errors."""
        file = self._log.fileno()
        start = max(0, os.fstat(file).st_size - _LAST_WORDS_BYTES)
        said = os.pread(file, _LAST_WORDS_BYTES, start).decode(errors="replace")
        lines = said.strip().splitlines()
        return ChildError(f"died: {one_line(lines[-1], 200) if lines else 'it left no message'}")


@asynccontextmanager
async def running(
    module: str, environment: Mapping[str, str], *, max_line_bytes: int = 1 << 16
) -> AsyncIterator[Child]:
    """Run ``python -m module`` under a guard, see there; nothing of it outlives the context.

    It has its own folder for temporary files, which is removed with it. Leaving the context kills
    the process if it still runs; the caller sets a deadline by ``asyncio.timeout``.

    Args:
        environment: All variables of the process; ``child_environment`` makes them.
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
                *guarded_command(module, scratch),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**environment, "TMPDIR": scratch},
                start_new_session=True,  # the validator handles Ctrl-C
                limit=max_line_bytes,
            )
        except OSError as error:
            raise ChildError(f"cannot be started: {error}") from error
        try:
            yield Child(process, log)
        finally:
            await _end(process)


def guarded_command(module: str, scratch: str) -> tuple[str, ...]:
    """Return the command that runs ``module`` under a guard, which removes the folder ``scratch``.

    Closing its standard input ends it.
    """
    # -P keeps the working directory out of the import path, -s the user's packages.
    return (sys.executable, "-P", "-s", "-m", _GUARD, scratch, module)


def child_environment(
    settings: Mapping[str, str], *, names: Collection[str] = (), prefix: str | None = None
) -> dict[str, str]:
    """Return the variables that a child needs of our environment, and ``settings``.

    Args:
        names: Variables to inherit besides those of paths, proxies and certificates.
        prefix: Variables whose names begin with this are inherited too.
    """
    path = os.pathsep.join(entry for entry in sys.path if os.path.isabs(entry))  # noqa: PTH117
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name in names or (prefix is not None and name.startswith(prefix))
    }
    return {**inherited, **settings, "PYTHONPATH": path}


async def _end(process: asyncio.subprocess.Process) -> None:
    known(process.stdin, PIPED).close()
    try:
        async with asyncio.timeout(_GRACE_S):
            await _discard(known(process.stdout, PIPED))
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _discard(output: asyncio.StreamReader) -> None:
    """Read to the end, so that nothing waits for room, and keep nothing."""
    while await output.read(_DISCARDED_BYTES):
        pass
