"""The parent's side of workers: keeps a warm zygote, asks it for children, ends them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sn37.adapters.cuda import zygote
from sn37.adapters.cuda.child import Child, receive_number
from sn37.domain.reasons import Reason
from sn37.ports.errors import ScorerUnavailable

START_TIMEOUT_S = 180.0  # of the zygote's imports, on a cold disk
INHERITED = (
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "NVIDIA_VISIBLE_DEVICES",
    "PATH",
)  # all else, tokens and wallet names among it, stays with the validator


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

    async def launch(self, *, memory_bytes: int | None) -> Child:
        """A fresh child in a folder of its own.

        Raises:
            ScorerUnavailable: The zygote cannot be started or has died; ``disk`` when the
                scratch folder cannot be written.
        """
        warm = self._warm()
        folder = self._folder()
        try:
            stream, child_stream = socket.socketpair()
            control, child_control = socket.socketpair()
        except OSError as error:  # too many open files
            shutil.rmtree(folder, ignore_errors=True)
            raise ScorerUnavailable(f"no connection to a worker: {error}") from error
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
        return Child(
            pid=pid,
            reader=reader,
            writer=writer,
            control=control,
            folder=folder,
            abandon=warm.process.kill,
        )

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
                return await receive_number(control)
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
            owner = f"job-{os.getpid()}-"
            return Path(tempfile.mkdtemp(prefix=owner, dir=self._scratch.resolve()))
        except OSError as error:
            raise ScorerUnavailable(
                f"cannot write to the scratch folder {self._scratch}: {error}", reason=Reason.DISK
            ) from error

    def _sweep(self) -> None:
        """Remove the folders of validators that were killed."""
        for folder in self._scratch.glob("job-*-*"):
            owner = folder.name.split("-")[1]
            if owner.isdecimal() and not Path("/proc", owner).exists():
                shutil.rmtree(folder, ignore_errors=True)

    def _warm(self) -> _Zygote:
        self._bury()
        current = self._zygote
        if current is not None and (
            current.num_children >= self._max_children or current.process.poll() is not None
        ):
            self._retire(current)
        if self._zygote is None:
            self._sweep()
            try:
                self._zygote = self._start()
            except OSError as error:
                raise ScorerUnavailable(f"cannot start the scorer: {error}") from error
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
