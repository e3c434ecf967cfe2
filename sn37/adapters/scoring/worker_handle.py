"""Handle of a forked worker in the validator's process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass

from sn37.adapters.scoring import warm_parent as zygote

END_TIMEOUT_S = 30.0  # a killed process that still holds a device can take seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """End of a worker.

    Attributes:
        peak_bytes: Its peak memory, including mapped files.
        was_running: It had not ended by itself; its wait status is that of our kill.
    """

    status: int
    peak_bytes: int
    was_running: bool = False


class Child:
    """One worker with its job's stream. Dropping it kills the worker.

    Args:
        abandon: Called if the zygote does not answer any more; must kill the zygote.
    """

    def __init__(
        self,
        *,
        pid: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        control: socket.socket,
        abandon: Callable[[], None],
    ) -> None:
        self.pid = pid
        self.reader = reader
        self._writer = writer
        self._control = control
        self._abandon = abandon
        self._ending: asyncio.Task[Ended | None] | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(control, self._lose)

    def _lose(self) -> None:
        """Report the zygote's death: it writes only on request; otherwise this is end of file."""
        self._loop.remove_reader(self._control)
        self.reader.set_exception(ConnectionResetError("the warm parent died"))

    async def send(self, body: bytes) -> None:
        """Write to the worker's stream.

        Raises:
            ConnectionError: The worker is gone.
        """
        self._writer.write(body)
        await self._writer.drain()

    async def end(self, *, gently: bool = False) -> Ended | None:
        """Kill it and all processes that it started, and reap it; a second call only waits.

        Continues in the background if the caller is cancelled.

        Args:
            gently: Let a worker that is exiting finish, so that its own status is reported.

        Returns:
            ``None`` if the zygote died, and the worker with it.
        """
        if self._ending is None:
            self._loop.remove_reader(self._control)
            self._ending = self._loop.create_task(self._end(gently=gently))
        return await asyncio.shield(self._ending)

    async def _end(self, *, gently: bool) -> Ended | None:
        order = zygote.END_GENTLY if gently else zygote.END_NOW
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                await self._loop.sock_sendall(self._control, order)
                status, peak_bytes, was_running = zygote.END.unpack(
                    await receive_exactly(self._control, zygote.END.size)
                )
        except ConnectionError:
            return None
        except TimeoutError:
            self._abandon()
            return None
        finally:
            self._control.close()
            self._writer.close()
        return Ended(status=status, peak_bytes=peak_bytes, was_running=was_running)


async def receive_exactly(control: socket.socket, count: int) -> bytes:
    """Return a message of the zygote.

    Raises:
        ConnectionError: The zygote is gone.
    """
    body = await asyncio.get_running_loop().sock_recv(control, count)
    if len(body) != count:
        raise ConnectionError("the warm parent closed the control socket")
    return body
