"""Sources of releases: a folder, or a web server.

Neither is trusted: files are checked against the hashes in the document, which is signed (see
``trust``). Here only length, time and redirects are limited.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from http.client import HTTPException, HTTPMessage
from io import BufferedIOBase
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from sn37.adapters.deadline import Deadline, WatchedHttp, WatchedHttps
from sn37.domain.printable import one_line
from sn37.domain.release.release import ReleaseFile
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable

if TYPE_CHECKING:
    from sn37.ports.releases import ReleaseSource

READ_TIMEOUT_S = 30.0  # without a byte
FETCH_TIMEOUT_S = 900.0  # for one file
MAX_REDIRECTS = 3
_CHUNK_BYTES = 1 << 16
_MISSING = (403, 404)  # some file stores answer 403 for a missing file
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Missing(ReleaseUnavailable):
    """There is nothing at this path or address."""


class Source:
    """A release document at a path or an address, and the files beside it.

    Args:
        vouched: Returns the checked document at a place.
    """

    def __init__(self, place: str, vouched: Callable[[str], bytes]) -> None:
        self._place = place
        self._vouched = vouched

    def document(self) -> bytes:
        """See ``ReleaseSource``."""
        return self._vouched(self._place)

    def fetch(self, file: ReleaseFile, folder: Path) -> Path:
        """See ``ReleaseSource``."""
        target, digest, size = folder / file.name, sha256(), 0
        try:
            with target.open("xb") as out:
                for chunk in chunks(beside(self._place, file.name), file.size_bytes + 1):
                    size += len(chunk)
                    digest.update(chunk)
                    out.write(chunk)
        except OSError as error:
            raise ReleaseUnavailable(f"{target}: {error.strerror or error}") from error
        if size != file.size_bytes:
            has = "more" if size > file.size_bytes else f"{size:,} bytes, less"
            raise ReleaseRefused(f"{file.name} has {has} than the signed {file.size_bytes:,}")
        if digest.hexdigest() != file.sha256:
            raise ReleaseRefused(f"{file.name} is not the signed file: its sha256 differs")
        return target


def _is_remote(place: str) -> bool:
    return "://" in place


def beside(place: str, name: str) -> str:
    """Return the place of another file in the same folder.

    Raises:
        ReleaseRefused: The place is not a valid address.
    """
    if not _is_remote(place):
        return str(Path(place).with_name(name))
    parts = _parts(place)
    path = f"{parts.path.rpartition('/')[0]}/{quote(name)}"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def chunks(place: str, limit_bytes: int) -> Generator[bytes]:
    """Yield the content, at most ``limit_bytes`` of it.

    Raises:
        Missing: Nothing is there.
        ReleaseUnavailable: It cannot be read, or not in time.
        ReleaseRefused: The address or a redirect is not allowed.
    """
    with Deadline(FETCH_TIMEOUT_S) as deadline:
        try:
            with _translated(place), closing(_opened(place, deadline)) as stream:
                # ``read`` would wait until a whole chunk is there.
                while limit_bytes and (chunk := stream.read1(min(limit_bytes, _CHUNK_BYTES))):
                    limit_bytes -= len(chunk)
                    if deadline.has_passed:
                        break
                    yield chunk
        except ReleaseUnavailable:
            if not deadline.has_passed:
                raise
        if deadline.has_passed:
            raise ReleaseUnavailable(f"{place}: not complete after {FETCH_TIMEOUT_S:.0f} s")


@contextmanager
def _translated(place: str) -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        fault = Missing if error.code in _MISSING else ReleaseUnavailable
        raise fault(f"{place}: the server answers {error.code}") from error
    except urllib.error.URLError as error:
        raise ReleaseUnavailable(f"{place}: {error.reason}") from error
    except HTTPException as error:
        raise ReleaseUnavailable(f"{place}: broken answer ({type(error).__name__})") from error
    except FileNotFoundError as error:
        raise Missing(f"{place}: {error.strerror}") from error
    except OSError as error:
        raise ReleaseUnavailable(f"{place}: {error.strerror or error}") from error
    except ValueError as error:  # of names of hosts, in a redirect too
        why = one_line(str(error))[:100]
        raise ReleaseUnavailable(
            f"{place}: leads to an address that is not valid ({why})"
        ) from error


def _opened(place: str, deadline: Deadline) -> BufferedIOBase:
    return _get(place, deadline) if _is_remote(place) else Path(place).open("rb")


def _get(address: str, deadline: Deadline) -> BufferedIOBase:
    parts = _parts(address)
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if parts.scheme != "https" and not local:
        raise ReleaseRefused(f"{address}: only https addresses and files are allowed")
    watched = WatchedHttp(deadline), WatchedHttps(deadline)
    answer: BufferedIOBase = urllib.request.build_opener(Redirects, *watched).open(
        address, timeout=READ_TIMEOUT_S
    )
    return answer


def _parts(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError as error:
        raise ReleaseRefused(f"{address}: not a valid address") from error


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, only to https addresses."""

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
        if urlsplit(newurl).scheme != "https":
            fp.close()
            raise ReleaseRefused(
                f"{req.full_url}: the server redirects to {newurl[:100]}, which is not https"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


if TYPE_CHECKING:
    _: type[ReleaseSource] = Source
