"""Requests to a web server that is not trusted: bounded in bytes and time, on one host. Child side.

The answer's bytes are compared with digests by the caller.
"""

from __future__ import annotations

import ssl
import time
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import httpx2

from sn37.domain.printable import one_line
from sn37.ports.errors import OfferRefused, ReceiptsUnavailable, ReceiptsUnreachable

SILENCE_S = 30.0  # without a byte
MIN_BYTES_PER_S = 1 << 16
MAX_REDIRECTS = 3
MAX_TRIES = 3
_BUSY = (408, 425, 429)  # and all from 500 on: worth another try


class WebHost:
    """Connections to one server, which threads may share."""

    def __init__(self, address: str, *, pause_s: float) -> None:
        self._address = address
        self._pause_s = pause_s
        self._client = httpx2.Client(
            verify=ssl.create_default_context(),  # reads SSL_CERT_FILE
            timeout=SILENCE_S,
            follow_redirects=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "sn37"},
        )

    def __enter__(self) -> WebHost:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def get(self, path: str, *, limit_bytes: int) -> bytes:
        """Return a file of at most ``limit_bytes``; tries again when the server fails.

        Raises:
            OfferRefused: It is larger, or the server redirects to another one.
            ReceiptsUnavailable: It does not exist, or may not be read.
            ReceiptsUnreachable: The server does not answer, or not in time.
        """
        for attempt in range(1, MAX_TRIES + 1):
            try:
                return self._get(self._address + path, limit_bytes)
            except ReceiptsUnreachable:
                if attempt == MAX_TRIES:
                    raise
                time.sleep(self._pause_s * attempt)
        raise AssertionError("unreachable")

    def _get(self, address: str, limit_bytes: int) -> bytes:
        until = time.monotonic() + SILENCE_S + limit_bytes / MIN_BYTES_PER_S
        asked = address
        try:
            for _ in range(MAX_REDIRECTS + 1):
                with self._client.stream("GET", asked) as answer:
                    if not answer.has_redirect_location:
                        return _body(answer, address, limit_bytes, until)
                    asked = urljoin(asked, answer.headers["Location"])
                    if urlsplit(asked)[:2] != urlsplit(address)[:2]:
                        raise OfferRefused(
                            f"{address}: the server redirects to another one, "
                            f"{one_line(asked, 100)}"
                        )
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise ReceiptsUnreachable(f"{address}: {_why(error)}") from error
        except ValueError as error:  # of an address in a redirect
            raise OfferRefused(f"{address}: redirects to an address that is not valid") from error
        raise OfferRefused(f"{address}: more than {MAX_REDIRECTS} redirects")


def _body(answer: httpx2.Response, address: str, limit_bytes: int, until: float) -> bytes:
    status = answer.status_code
    if status in _BUSY or status >= 500:
        raise ReceiptsUnreachable(f"{address}: the server answers {status}")
    if status != 200:
        raise ReceiptsUnavailable(f"{address}: the server answers {status}")
    body = bytearray()
    for chunk in answer.iter_raw():
        body += chunk
        if len(body) > limit_bytes:
            raise OfferRefused(f"{address}: larger than {limit_bytes:,} bytes")
        if time.monotonic() > until:
            raise ReceiptsUnreachable(f"{address}: not complete in time")
    return bytes(body)


def _why(error: Exception) -> str:
    return one_line(str(error), 150) or type(error).__name__
