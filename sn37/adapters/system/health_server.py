"""Health pages over HTTP, served by their own threads even if the event loop is stuck.

Beside the pages, which are JSON, it serves WSGI applications, such as the metrics.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from sn37.domain.canonical import JsonValue

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

log = logging.getLogger(__name__)

READ_TIMEOUT_S = 5.0  # for a request; programs send it at once
MAX_CONNECTIONS = 32  # each has a thread and a file of the validator


# An answer: True (status 200) or False (status 503), and a JSON object with details.
Page = tuple[bool, Mapping[str, JsonValue]]


class HealthServer:
    """Serves the pages and applications by path until closed.

    Applications are asked by GET alone, and only about what they may look at: query, accepted
    types and encodings.

    Raises:
        OSError: The address is in use, or not of this machine.
    """

    def __init__(
        self,
        host: str,
        port: int,
        pages: Mapping[str, Callable[[], Page]],
        applications: Mapping[str, WSGIApplication] | None = None,
    ) -> None:
        class Handler(_Handler):
            known = pages
            served = applications or {}

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
    """Ends the oldest connection when there are too many: honest ones last for moments."""

    daemon_threads = True

    def __init__(self, *given: Any) -> None:
        self._open: dict[socket.socket, None] = {}  # in the order in which they came
        self._guard = threading.Lock()
        super().__init__(*given)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            if len(self._open) >= MAX_CONNECTIONS:
                oldest = next(iter(self._open))
                del self._open[oldest]
                with suppress(OSError):  # its client has closed it
                    oldest.shutdown(socket.SHUT_RDWR)
            self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log defects of pages, but not clients that close the connection early."""
        if not isinstance(error := sys.exception(), OSError):
            log.error("a health page failed", exc_info=error)


class _ServerOfIPv6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    known: Mapping[str, Callable[[], Page]]
    served: Mapping[str, WSGIApplication]
    timeout = READ_TIMEOUT_S
    server_version = "sn37"
    sys_version = ""

    def do_GET(self) -> None:  # the library's name
        path, _, query = self.path.partition("?")
        if (application := self.served.get(path)) is not None:
            self._ask(application, path, query)
            return
        page = self.known.get(path)
        if page is None:
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"no page here; try {self._paths()}"})
            return
        is_well, body = page()
        self._answer(HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE, body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Do not log requests, which come every few seconds."""

    def _ask(self, application: WSGIApplication, path: str, query: str) -> None:
        answers: list[tuple[str, list[tuple[str, str]]]] = []
        content: list[bytes] = []

        def begin(
            status: str, headers: list[tuple[str, str]], _: object = None, /
        ) -> Callable[[bytes], object]:
            answers.append((status, headers))
            return content.append

        environment = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "HTTP_ACCEPT": self.headers.get("Accept", ""),
            "HTTP_ACCEPT_ENCODING": self.headers.get("Accept-Encoding", ""),
        }
        content.extend(application(environment, begin))
        status, headers = answers[-1]
        self._send(HTTPStatus(int(status.partition(" ")[0])), headers, b"".join(content))

    def _answer(self, status: HTTPStatus, body: Mapping[str, JsonValue]) -> None:
        content = json.dumps(body).encode() + b"\n"
        self._send(status, [("Content-Type", "application/json")], content)

    def _send(self, status: HTTPStatus, headers: Iterable[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _paths(self) -> str:
        return ", ".join(sorted({*self.known, *self.served}))
