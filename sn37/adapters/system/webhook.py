"""A webhook over HTTP, posted to by the standard library, from a thread."""

from __future__ import annotations

import urllib.error
import urllib.request
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import sn37
from sn37.adapters.deadline import Deadline, WatchedHttp, WatchedHttps
from sn37.ports.errors import WebhookRefused, WebhookUnavailable

if TYPE_CHECKING:
    from sn37.ports.webhook import Webhook

_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class HttpWebhook:
    """Posts JSON to an address and reads the status of the answer, nothing else.

    Follows no redirect: the address is a secret, and only its own host may see it. Uses the proxy
    of the environment, if there is one.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._name = urlsplit(address).hostname or "?"

    @property
    def name(self) -> str:
        return self._name

    def post(self, body: bytes, *, timeout_s: float) -> None:
        """See ``Webhook``."""
        request = urllib.request.Request(
            self._address,
            data=body,
            headers={"Content-Type": "application/json", "User-Agent": f"sn37/{sn37.__version__}"},
            method="POST",
        )
        with Deadline(timeout_s) as deadline:
            watched = WatchedHttp(deadline), WatchedHttps(deadline)
            opener = urllib.request.build_opener(_NoRedirects, *watched)
            # Messages of the library may contain the address, so only their kind is passed on.
            try:
                with closing(opener.open(request, timeout=timeout_s)):
                    return
            except urllib.error.HTTPError as error:
                error.close()
                raise _answered(error.code, error.headers.get("Retry-After")) from None
            except urllib.error.URLError as error:
                kind = type(error.reason).__name__
                raise WebhookUnavailable(f"it cannot be reached ({kind})") from None
            except (OSError, HTTPException) as error:
                raise WebhookUnavailable(f"broken answer ({type(error).__name__})") from None
            except ValueError:
                raise WebhookRefused("its address is not valid") from None


def _answered(code: int, retry_after: str | None) -> WebhookUnavailable | WebhookRefused:
    if code in _LATER or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return WebhookUnavailable(f"it answers {code}", retry_after_s=_seconds(retry_after))
    if HTTPStatus.MULTIPLE_CHOICES <= code < HTTPStatus.BAD_REQUEST:
        return WebhookRefused(f"it redirects ({code}); give the address that it leads to")
    return WebhookRefused(f"it answers {code}; check the setting webhook")


def _seconds(asked: str | None) -> float | None:
    """Return the wait in seconds; a date is left to our own pauses."""
    try:
        return None if asked is None else float(asked)
    except ValueError:
        return None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """Follow none; the answer is then an error with its status."""


if TYPE_CHECKING:
    _: type[Webhook] = HttpWebhook
