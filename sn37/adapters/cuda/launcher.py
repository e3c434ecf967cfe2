"""The parent's side of workers: keeps a warm zygote, asks it for children, ends them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sn37.adapters.cuda import zygote
from sn37.domain.reasons import Reason
from sn37.ports.errors import ScorerUnavailable

START_TIMEOUT_S = 180.0  # of the zygote's imports, on a cold disk
END_TIMEOUT_S = 30.0  # a killed process that still holds a device can take seconds
INHERITED = (
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "NVIDIA_VISIBLE_DEVICES",
    "PATH",
)  # all else, tokens and wallet names among it, stays with the validator


class Worker:
    """One forked child with its job's stream. Dropping it kills the child."""

    def __init__(
        self,
        pid: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        control: socket.socket,
        folder: Path,
    ) -> None:
        self.pid = pid
        self.reader = reader
        self.writer = writer
        self._control = control
        self._folder = folder
        self._status: int | None = None

    async def send(self, body: bytes) -> None:
        """Write down the child's stream.

        Raises:
            ConnectionError: The child is gone.
        """
        self.writer.write(body)
        await self.writer.drain()

    async def end(self, *, gently: bool = False) -> int:
        """Kill the child's process group, reap it, remove its folder; return its wait status.

        ``gently`` lets a child that is leaving finish, so that its own status is seen.
        Ending it again gives the same status.

        Raises:
            ScorerUnavailable: The zygote died, or the child cannot be ended.
        """
        if self._status is not None:
            return self._status
        self._status = signal.SIGKILL  # unless its own is seen
        try:
            self._status = await _end(self._control, gently=gently)
            return self._status
        finally:
            self._control.close()
            self.writer.close()
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


@dataclass(slots=True)
class _Zygote:
    process: subprocess.Popen[bytes]
    requests: socket.socket
    log: IO[bytes]
    num_children: int = 0

    def last_words(self) -> str:
        """The end of what it wrote to its standard error, such as a failed import."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it left no message"


class Launcher:
    """Fork workers that run ``entry``, a trusted ``module:function``.

    Args:
        entry: What a child runs, with its end of the job's stream as the only argument. Its
            module is imported by the zygote and must run no operator.
        scratch: Folder in which each child gets a folder of its own.
        environment: Added to the children's environment, which otherwise is an allow-list.
        search_path: Where the children import from besides this process's own path.
        max_children: Forks after which the zygote is replaced.
    """

    def __init__(
        self,
        *,
        entry: str,
        scratch: Path,
        environment: Mapping[str, str],
        search_path: Sequence[Path] = (),
        max_children: int = 64,
    ) -> None:
        self._entry = entry
        self._scratch = scratch
        self._environment = environment
        self._search_path = search_path
        self._max_children = max_children
        self._zygote: _Zygote | None = None
        self._retired: list[_Zygote] = []

    async def launch(self, *, memory_bytes: int | None) -> Worker:
        """A fresh child in a folder of its own.

        Raises:
            ScorerUnavailable: The zygote cannot be started or has died; ``disk`` when the
                scratch folder cannot be written.
        """
        warm = self._warm()
        folder = self._folder()
        stream, child_stream = socket.socketpair()
        control, child_control = socket.socketpair()
        try:
            for ours in (stream, control):
                ours.setblocking(False)
            request = {"folder": str(folder), "memory_bytes": memory_bytes}
            try:
                socket.send_fds(
                    warm.requests,
                    [json.dumps(request).encode()],
                    [child_stream.fileno(), child_control.fileno()],
                )
            except OSError as error:
                raise ScorerUnavailable(f"the scorer's warm parent is gone: {error}") from error
            finally:
                # From here on end of file means that the other side is gone.
                child_stream.close()
                child_control.close()
            warm.num_children += 1
            pid = await self._pid(warm, control)
            reader, writer = await asyncio.open_unix_connection(sock=stream)
        except BaseException:
            stream.close()
            control.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return Worker(pid, reader, writer, control, folder)

    async def aclose(self) -> None:
        """End the zygotes, and with them every child that is left."""
        if self._zygote is not None:
            self._retire(self._zygote)
        for old in self._retired:
            old.process.kill()
            await asyncio.to_thread(old.process.wait)
            old.log.close()
        self._retired.clear()

    async def _pid(self, warm: _Zygote, control: socket.socket) -> int:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                return await _number(control)
        except (ConnectionError, TimeoutError) as error:
            self._retire(warm)
            warm.process.kill()
            await asyncio.to_thread(warm.process.wait)
            raise ScorerUnavailable(
                f"the scorer's warm parent did not start a worker: {warm.last_words()}"
            ) from error

    def _folder(self) -> Path:
        try:
            self._scratch.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix="job-", dir=self._scratch.resolve()))
        except OSError as error:
            raise ScorerUnavailable(
                f"cannot write to the scratch folder {self._scratch}: {error}", reason=Reason.DISK
            ) from error

    def _warm(self) -> _Zygote:
        self._bury()
        current = self._zygote
        if current is not None and (
            current.num_children >= self._max_children or current.process.poll() is not None
        ):
            self._retire(current)
        if self._zygote is None:
            self._zygote = self._start()
        return self._zygote

    def _start(self) -> _Zygote:
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        log = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the zygote is buried
        # -P keeps the working directory, -s the user's packages out of the import path.
        command = [sys.executable, "-P", "-s", "-m", zygote.__name__]
        with theirs:
            process = subprocess.Popen(
                [*command, str(os.getpid()), str(theirs.fileno()), self._entry],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
                env=self._child_environment(),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is for the validator to handle
            )
        return _Zygote(process, ours, log)

    def _child_environment(self) -> dict[str, str]:
        path = [*map(str, self._search_path), *(p for p in sys.path if Path(p).is_absolute())]
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {**inherited, **self._environment, "PYTHONPATH": os.pathsep.join(path)}

    def _retire(self, old: _Zygote) -> None:
        """Ask it for nothing more; it leaves after its last child."""
        old.requests.close()
        self._retired.append(old)
        if self._zygote is old:
            self._zygote = None

    def _bury(self) -> None:
        gone = [z for z in self._retired if z.process.poll() is not None]
        for old in gone:
            old.log.close()
            self._retired.remove(old)


async def _end(control: socket.socket, *, gently: bool) -> int:
    try:
        async with asyncio.timeout(END_TIMEOUT_S):
            await asyncio.get_running_loop().sock_sendall(
                control, zygote.END_GENTLY if gently else zygote.END_NOW
            )
            return await _number(control)
    except (ConnectionError, TimeoutError) as error:
        raise ScorerUnavailable("the scorer's warm parent died, and the worker with it") from error


async def _number(control: socket.socket) -> int:
    body = await asyncio.get_running_loop().sock_recv(control, zygote.NUMBER.size)
    if len(body) != zygote.NUMBER.size:
        raise ConnectionError("the warm parent closed the control socket")
    number: int = zygote.NUMBER.unpack(body)[0]
    return number
