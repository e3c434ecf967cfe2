"""The parent's side of workers: keeps a warm zygote that forks them, and ends them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sn37.adapters.scoring import warm_parent as zygote
from sn37.adapters.scoring.sandbox.layers import ESSENTIAL, LOSSES, Sandbox
from sn37.adapters.scoring.worker_handle import Child, receive_exactly
from sn37.ports.errors import ScorerUnavailable

START_TIMEOUT_S = 180.0  # for the zygote's imports, on a cold disk
INHERITED = (
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "NVIDIA_VISIBLE_DEVICES",
    "PATH",
)  # other variables, such as tokens and wallet names, are not passed on


@dataclass(slots=True)
class _Zygote:
    process: subprocess.Popen[bytes]
    requests: socket.socket
    log: IO[bytes]
    num_children: int = 0

    def last_words(self) -> str:
        """Return the last line of its standard error, such as a failed import."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it left no message"


class Launcher:
    """Forks workers that run ``entry``, a trusted ``module:function``.

    Args:
        entry: The function that a child runs, with its end of the job's stream as the only
            argument. The zygote imports its module, which must not run tensor operators.
        device: Device that children may open.
        environment: Of the children, in addition to an allow-list of this process's variables.
        allow_weak: Start children without Landlock or seccomp if the host has none.
        probe: Finds out how the host can confine children; blocks, called once.
        search_path: Import path of the children, before this process's own.
        max_children: Number of forks after which the zygote is replaced.
    """

    def __init__(
        self,
        *,
        entry: str,
        device: str,
        environment: Mapping[str, str],
        allow_weak: bool,
        probe: Callable[[], Sandbox],
        search_path: Sequence[Path] = (),
        max_children: int = 64,
    ) -> None:
        self._entry = entry
        self._device = device
        self._environment = environment
        self._allow_weak = allow_weak
        self._probe = probe
        self._search_path = search_path
        self._max_children = max_children
        self._found: Sandbox | None = None
        self._zygote: _Zygote | None = None
        self._retired: list[_Zygote] = []

    @property
    def found(self) -> Sandbox | None:
        """The result of :meth:`sandbox`, once it was called."""
        return self._found

    async def sandbox(self) -> Sandbox:
        """Return the confinement of children.

        Raises:
            ScorerUnavailable: The host lacks an essential layer, and that is not allowed; or
                the probe failed.
        """
        if self._found is None:
            try:
                found = await asyncio.to_thread(self._probe)
            except OSError as error:
                raise ScorerUnavailable(str(error)) from error
            if found.is_weak and not self._allow_weak:
                raise ScorerUnavailable(_too_weak(found))
            self._found = found.on(self._device)
        return self._found

    async def launch(self, *, readable: Sequence[Path], memory_bytes: int | None) -> Child:
        """Return a new child that may read the folders ``readable`` and write nothing.

        Raises:
            ScorerUnavailable: The zygote cannot be started or has died, or the host cannot
                confine the child.
        """
        warm = self._warm(await self.sandbox())
        try:
            stream, child_stream = socket.socketpair()
            control, child_control = socket.socketpair()
        except OSError as error:  # too many open files
            raise ScorerUnavailable(f"cannot connect to a worker: {error}") from error
        try:
            for ours in (stream, control):
                ours.setblocking(False)
            request = {"readable": [str(r) for r in readable], "memory_bytes": memory_bytes}
            try:
                socket.send_fds(
                    warm.requests,
                    [json.dumps(request).encode()],
                    [child_stream.fileno(), child_control.fileno()],
                )
            except OSError as error:
                raise ScorerUnavailable(f"the scorer's warm parent is gone: {error}") from error
            finally:
                # From here on, end of file means that the other side is gone.
                child_stream.close()
                child_control.close()
            warm.num_children += 1
            pid = await self._pid(warm, control)
            reader, writer = await asyncio.open_unix_connection(sock=stream)
        except BaseException:
            stream.close()
            control.close()
            raise
        return Child(
            pid=pid, reader=reader, writer=writer, control=control, abandon=warm.process.kill
        )

    async def aclose(self) -> None:
        """End the zygotes, and with them all remaining children."""
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
                body = await receive_exactly(control, zygote.NUMBER.size)
        except (ConnectionError, TimeoutError) as error:
            self._retire(warm)
            warm.process.kill()
            await asyncio.to_thread(warm.process.wait)
            raise ScorerUnavailable(
                f"the scorer's warm parent could not start a worker: {warm.last_words()}"
            ) from error
        pid: int = zygote.NUMBER.unpack(body)[0]
        if not pid:
            raise ScorerUnavailable(f"cannot confine a worker: {warm.last_words()}")
        return pid

    def _warm(self, sandbox: Sandbox) -> _Zygote:
        self._bury()
        current = self._zygote
        if current is not None and (
            current.num_children >= self._max_children or current.process.poll() is not None
        ):
            self._retire(current)
        if self._zygote is None:
            try:
                self._zygote = self._start(sandbox)
            except OSError as error:
                raise ScorerUnavailable(f"cannot start the scorer: {error}") from error
        return self._zygote

    def _start(self, sandbox: Sandbox) -> _Zygote:
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        log = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the zygote is buried
        # -P keeps the working directory out of the import path, -s the user's packages.
        command = [sys.executable, "-P", "-s", "-m", zygote.__name__, str(os.getpid())]
        with theirs:
            process = subprocess.Popen(
                [*command, str(theirs.fileno()), self._entry, self._device, sandbox.encode()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
                env=self._child_environment(),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # the validator handles Ctrl-C
            )
        return _Zygote(process, ours, log)

    def _child_environment(self) -> dict[str, str]:
        path = [*map(str, self._search_path), *(p for p in sys.path if Path(p).is_absolute())]
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {**inherited, **self._environment, "PYTHONPATH": os.pathsep.join(path)}

    def _retire(self, old: _Zygote) -> None:
        """Send it no more requests; it exits after its last child."""
        old.requests.close()
        self._retired.append(old)
        if self._zygote is old:
            self._zygote = None

    def _bury(self) -> None:
        gone = [z for z in self._retired if z.process.poll() is not None]
        for old in gone:
            old.log.close()
            self._retired.remove(old)


def _too_weak(found: Sandbox) -> str:
    missing = sorted(ESSENTIAL - found.layers)
    why = "; ".join(f"no {layer}: {LOSSES[layer].lost} ({LOSSES[layer].fix})" for layer in missing)
    return (
        f"this host cannot confine models: {why}; to run nevertheless, use --allow-weak-sandbox; "
        "see sn37 docs validator"
    )
