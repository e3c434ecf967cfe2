"""Serving the application until it is stopped."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from types import FrameType

import uvicorn

from sn37.app.web.connections import BoundedConnection, SparseLog
from sn37.app.web.guarding import App

STOP_WITHIN_S = 5  # open streams of events end within a second
_LOGS = ("uvicorn.error", "asyncio", "sn37.app.web.application")


def serve(app: App, listener: socket.socket, stopping: Event) -> None:
    """Serve until SIGINT or SIGTERM, which set ``stopping``; the listener is bound already."""
    server = _Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
            timeout_keep_alive=20,
            limit_concurrency=500,
            h11_max_incomplete_event_size=16_384,
            http=BoundedConnection,
        )
    )
    server.stopping = stopping
    sparse = SparseLog()
    for name in _LOGS:
        logging.getLogger(name).addFilter(sparse)
    server.run(sockets=[listener])


def end_with_standard_input() -> None:
    """Stop this process, as SIGTERM does, when its standard input ends."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, name="parent", daemon=True).start()


class _Server(uvicorn.Server):
    """Ends normally when it was stopped; the library's own would raise the signal again."""

    stopping: Event

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.stopping.set()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        stopping = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in stopping}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
