"""Limit on the whole time of a fetch, which timeouts between single bytes do not give."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from typing import Any


class Deadline:
    """Breaks the connections off that are still used after ``limit_s`` seconds.

    A server that sends a byte now and then keeps a reader waiting in headers, between chunks
    and in redirects, too.
    """

    def __init__(self, limit_s: float) -> None:
        self._until = time.monotonic() + limit_s
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(limit_s, self._break_off)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    @property
    def has_passed(self) -> bool:
        """True once the time is over."""
        return time.monotonic() >= self._until

    def watch(self, opened: socket.socket) -> None:
        """Break this connection off, too, at the deadline.

        Raises:
            TimeoutError: The time is over already.
        """
        self._sockets.append(opened)
        if self.has_passed:
            raise TimeoutError("opened too late")

    def _break_off(self) -> None:
        for opened in self._sockets:
            with suppress(OSError):  # closed already
                # Not the method of an encrypted one: that goes on without the encryption.
                socket.socket.shutdown(opened, socket.SHUT_RDWR)


class _Watched(urllib.request.AbstractHTTPHandler):
    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def do_open(self, http_class: Any, req: urllib.request.Request, **args: Any) -> HTTPResponse:
        deadline = self._deadline

        class Connection(http_class):  # type: ignore[misc]
            def connect(self: HTTPConnection) -> None:
                http_class.connect(self)
                deadline.watch(self.sock)

        return super().do_open(Connection, req, **args)


class WatchedHttp(_Watched, urllib.request.HTTPHandler):
    """Opens addresses of http until a deadline."""


class WatchedHttps(_Watched, urllib.request.HTTPSHandler):
    """Opens addresses of https until a deadline."""
