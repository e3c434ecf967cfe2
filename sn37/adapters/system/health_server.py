"""Health pages over HTTP, served by their own threads even if the event loop is stuck."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sn37.domain.canonical import JsonValue

log = logging.getLogger(__name__)

READ_TIMEOUT_S = 5.0  # for a request; programs send it at once


# An answer: True (status 200) or False (status 503), and a JSON object with details.
Page = tuple[bool, Mapping[str, JsonValue]]


class HealthServer:
    """Serves the pages by path until closed.

    Raises:
        OSError: The address is in use, or not of this machine.
    """

    def __init__(self, host: str, port: int, pages: Mapping[str, Callable[[], Page]]) -> None:
        class Handler(_Handler):
            known = pages

        self._server = (_ServerOfIPv6 if ":" in host else _Server)((host, port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """Port that it listens on; a free one if port 0 was given."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Log defects of pages, but not clients that close the connection early."""
        if not isinstance(error := sys.exception(), OSError):
            log.error("a health page failed", exc_info=error)


class _ServerOfIPv6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    known: Mapping[str, Callable[[], Page]]
    timeout = READ_TIMEOUT_S
    server_version = "sn37"
    sys_version = ""

    def do_GET(self) -> None:  # the library's name
        page = self.known.get(self.path.partition("?")[0])
        if page is None:
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"no page here; try {self._paths()}"})
            return
        is_well, body = page()
        self._answer(HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE, body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Do not log requests, which come every few seconds."""

    def _answer(self, status: HTTPStatus, body: Mapping[str, JsonValue]) -> None:
        content = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _paths(self) -> str:
        return ", ".join(sorted(self.known))
