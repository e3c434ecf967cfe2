"""Visitors of the leaderboard who send nothing, do not read, or send nonsense."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn

from sn37.app.web import connections
from sn37.app.web.connections import BoundedConnection, SparseLog

LARGE = 2**26  # bytes; more than sockets hold
NUM_TICKS = 6


@dataclass
class Served:
    """A server, and what happens in it."""

    port: int = 0
    looks: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    is_answered: asyncio.Event = field(default_factory=asyncio.Event)  # or given up

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/events":
            for _ in range(NUM_TICKS):
                await self.looks.get()
                await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
        size = LARGE if scope["path"] == "/large" else 2
        await send({"type": "http.response.body", "body": b"x" * size})
        self.is_answered.set()


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    found = Served()

    class Connection(BoundedConnection):
        look_every_s = 0.1

        def _look(self, seen: Any, num_looks: int) -> None:
            super()._look(seen, num_looks)
            found.looks.put_nowait(None)

    with socket.create_server(("127.0.0.1", 0)) as bound:
        found.port = bound.getsockname()[1]
        config = uvicorn.Config(found, http=Connection, lifespan="off", log_level="error")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[bound]))
        yield found
        server.should_exit = True
        await asyncio.wait_for(task, 20)


async def sent(port: int, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    return reader, writer


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the server ends the connection."""
    found = b""
    try:
        async with asyncio.timeout(20):
            while piece := await reader.read(2**20):
                found += piece
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("request_", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nA"])
async def test_a_connection_that_asks_nothing_is_ended(request_: bytes) -> None:
    async with serving() as server:
        reader, writer = await sent(server.port, request_)
        assert await rest(reader) == b""
        writer.close()


async def test_one_that_has_asked_before_and_begins_to_ask_is_ended_too() -> None:
    async with serving() as server:
        reader, writer = await sent(server.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT")
        assert (await rest(reader)).count(b"HTTP/1.1 200 OK") == 1
        writer.close()


async def test_an_answer_that_is_not_read_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_LOOKS", 2)
    async with serving() as server:
        reader, writer = await sent(server.port, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(reader.readline(), 20)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.wait_for(server.is_answered.wait(), 20)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await rest(reader)) < LARGE
        writer.close()


async def test_a_stream_of_events_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_LOOKS", 2)
    async with serving() as server:
        reader, writer = await sent(server.port, b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await rest(reader)).count(b"tick") == NUM_TICKS
        writer.close()


def _record(text: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord("name", logging.WARNING, "", 0, text, values, None)


def test_a_kind_of_message_is_logged_once_a_minute() -> None:
    now = 1_000.0
    clock: Callable[[], float] = lambda: now  # noqa: E731
    sparse = SparseLog(clock)
    assert [sparse.filter(_record("bad %s", n)) for n in range(3)] == [True, False, False]
    assert sparse.filter(_record("other"))
    now += 59.0
    assert not sparse.filter(_record("bad %s", 4))
    now += 1.0
    assert sparse.filter(_record("bad %s", 5))
