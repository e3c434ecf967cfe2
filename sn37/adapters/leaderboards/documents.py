"""Documents of a leaderboard over HTTP: served by ``sn37 leaderboard``, or written as files.

The server is not trusted: size, time and redirects are limited.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException, HTTPMessage
from io import BufferedIOBase
from typing import IO, TYPE_CHECKING
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from sn37.adapters.deadline import Deadline, WatchedHttp, WatchedHttps
from sn37.domain.printable import one_line
from sn37.ports.errors import LeaderboardRefused, LeaderboardUnavailable

if TYPE_CHECKING:
    from sn37.ports.leaderboard_documents import LeaderboardDocuments

PREFIX = "/api/v1"
READ_TIMEOUT_S = 10.0  # without a byte
FETCH_TIMEOUT_S = 30.0  # for one document
MAX_BYTES = 2**23  # the document of a round with 300 entries has 0.3 MB
MAX_REDIRECTS = 3
_CHUNK_BYTES = 1 << 16


class HttpDocuments:
    """Documents below an address such as ``https://example.org/sn37``.

    Args:
        address: With or without a final slash; of any page host, plain http included.

    Raises:
        LeaderboardRefused: It is not an address.
    """

    def __init__(self, address: str) -> None:
        parts = _parts(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LeaderboardRefused(
                f"{one_line(address)}: expected the address of a leaderboard, for example "
                "http://127.0.0.1:8037"
            )
        if parts.query or parts.fragment or parts.username is not None:
            raise LeaderboardRefused(
                f"{one_line(address)}: give the leaderboard's address alone, without a name, ? or #"
            )
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._ending: str | None = None  # of files; empty where the application answers

    @property
    def name(self) -> str:
        return self._base

    def document(self, path: str, **query: str | int) -> bytes | None:
        """See ``LeaderboardDocuments``."""
        endings = ("", ".json") if self._ending is None else (self._ending,)
        for ending in endings:
            asked = f"?{urlencode(query)}" if query and not ending else ""
            found = self._fetch(f"{self._base}{PREFIX}{quote(path)}{ending}{asked}")
            if found is not None:
                self._ending = ending
                return found
        return None

    def _fetch(self, address: str) -> bytes | None:
        content = bytearray()
        with Deadline(FETCH_TIMEOUT_S) as deadline:
            try:
                with _translated(address), closing(_opened(address, deadline)) as stream:
                    # ``read`` would wait until a whole chunk is there.
                    while chunk := stream.read1(_CHUNK_BYTES):
                        content += chunk
                        if len(content) > MAX_BYTES:
                            raise LeaderboardRefused(
                                f"{address}: larger than {MAX_BYTES // 2**20} MiB"
                            )
            except _Missing:
                return None
            except LeaderboardUnavailable:
                if not deadline.has_passed:
                    raise
            if deadline.has_passed:
                raise LeaderboardUnavailable(
                    f"{address}: not complete after {FETCH_TIMEOUT_S:.0f} s"
                )
        return bytes(content)


class _Missing(Exception):
    """The server answers that it does not have this document."""


def _opened(address: str, deadline: Deadline) -> BufferedIOBase:
    watched = WatchedHttp(deadline), WatchedHttps(deadline)
    answer: BufferedIOBase = urllib.request.build_opener(_Redirects, *watched).open(
        address, timeout=READ_TIMEOUT_S
    )
    return answer


@contextmanager
def _translated(address: str) -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 404:
            raise _Missing from error
        again = "; try again in a minute" if error.code in (429, 503) else ""
        raise LeaderboardUnavailable(
            f"{address}: the server answers {error.code}{again}"
        ) from error
    except urllib.error.URLError as error:
        raise LeaderboardUnavailable(
            f"{address}: {_why(error.reason)}; check the address, and that a leaderboard is there"
        ) from error
    except HTTPException as error:
        raise LeaderboardUnavailable(
            f"{address}: broken answer ({type(error).__name__})"
        ) from error
    except OSError as error:
        raise LeaderboardUnavailable(f"{address}: {error.strerror or error}") from error
    except ValueError as error:  # of names of hosts, in a redirect too
        why = one_line(str(error))[:100]
        raise LeaderboardRefused(
            f"{address}: leads to an address that is not valid ({why})"
        ) from error


def _why(reason: str | BaseException) -> str:
    """Return why no connection was made, without the number of the error."""
    strerror = reason.strerror if isinstance(reason, OSError) else None
    return one_line(strerror or str(reason))


def _parts(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises for one that is not a number
    except ValueError as error:
        raise LeaderboardRefused(f"{one_line(address)}: not a valid address") from error
    return parts


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects on the same host, never from https to http."""

    max_redirections = MAX_REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        # ftp, which the library knows too, has no deadline.
        kept = ("https",) if before.scheme == "https" else ("http", "https")
        if after.hostname != before.hostname or after.scheme not in kept:
            fp.close()
            raise LeaderboardRefused(
                f"{req.full_url}: the server redirects to {one_line(newurl, 100)}; if you trust "
                "that place, give its address"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


if TYPE_CHECKING:
    _: LeaderboardDocuments = HttpDocuments("http://localhost")
