"""A forked worker as the validator holds it."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from sn37.adapters.cuda import zygote

END_TIMEOUT_S = 30.0  # a killed process that still holds a device can take seconds


class Child:
    """One worker with its job's stream. Dropping it kills the worker.

    Args:
        abandon: Called when the zygote does not answer any more; must kill the zygote.
    """

    def __init__(
        self,
        *,
        pid: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        control: socket.socket,
        folder: Path,
        abandon: Callable[[], None],
    ) -> None:
        self.pid = pid
        self.reader = reader
        self._writer = writer
        self._control = control
        self._folder = folder
        self._abandon = abandon
        self._ended = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(control, self._lose)

    def _lose(self) -> None:
        """The zygote speaks only when told to end the worker: unasked, this is end of file."""
        self._loop.remove_reader(self._control)
        self.reader.set_exception(ConnectionResetError("the warm parent died"))

    async def send(self, body: bytes) -> None:
        """Write down the worker's stream.

        Raises:
            ConnectionError: The worker is gone.
        """
        self._writer.write(body)
        await self._writer.drain()

    async def end(self, *, gently: bool = False) -> int | None:
        """Kill its process group, reap it, remove its folder; ending it again does nothing.

        Args:
            gently: Let a worker that is leaving finish, so that its own status is seen.

        Returns:
            Its wait status; ``None`` when the zygote died, and the worker with it.
        """
        if self._ended:
            return None
        self._ended = True
        self._loop.remove_reader(self._control)
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                order = zygote.END_GENTLY if gently else zygote.END_NOW
                await self._loop.sock_sendall(self._control, order)
                return await receive_number(self._control)
        except ConnectionError:
            return None
        except TimeoutError:
            self._abandon()
            return None
        finally:
            self._control.close()
            self._writer.close()
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


async def receive_number(control: socket.socket) -> int:
    """A pid or wait status from the zygote.

    Raises:
        ConnectionError: The zygote is gone.
    """
    body = await asyncio.get_running_loop().sock_recv(control, zygote.NUMBER.size)
    if len(body) != zygote.NUMBER.size:
        raise ConnectionError("the warm parent closed the control socket")
    number: int = zygote.NUMBER.unpack(body)[0]
    return number
