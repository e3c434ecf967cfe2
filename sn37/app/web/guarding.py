"""Limits for each client, and headers that confine every page."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Only files of this site; no inline script or style, no frame, no plug-in, no form elsewhere.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
MAX_CLIENTS = 10_000  # remembered ones


class ConfiningHeaders:
    """Adds the headers to every answer, errors included; JSON may be read by other sites."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
                if scope["path"].startswith("/api/"):
                    message["headers"] += [
                        (b"access-control-allow-origin", b"*"),
                        (b"access-control-expose-headers", b"etag"),
                        (b"cross-origin-resource-policy", b"cross-origin"),
                    ]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class RateLimit:
    """Answers 429 to a client that asks too often: a bucket of ``burst``, filled at ``rate``.

    A client is an IPv4 address, or the first 64 bits of an IPv6 address, which a household shares.
    """

    def __init__(self, app: App, *, rate: float, burst: int) -> None:
        self._app = app
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._takes(client_of(scope), time.monotonic()):
            await self._app(scope, receive, send)
            return
        wait = max(1, round(1 / self._rate))
        headers = [(b"content-type", b"text/plain"), (b"retry-after", str(wait).encode())]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": b"too many requests; wait a little\n"})

    def _takes(self, client: str, now: float) -> bool:
        left, at = self._buckets.pop(client, (float(self._burst), now))
        left = min(float(self._burst), left + (now - at) * self._rate)
        is_allowed = left >= 1
        self._buckets[client] = (left - 1 if is_allowed else left, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return is_allowed


def client_of(scope: Scope) -> str:
    """Return the client of a request, as limits count it."""
    host = str((scope.get("client") or ("unknown",))[0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
