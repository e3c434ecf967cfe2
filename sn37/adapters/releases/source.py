"""Sources of releases: a folder, or a web server.

Neither is trusted: files are checked against the signature and the hashes in the signed document.
Here only their length, their time and redirects are limited.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from sn37.adapters.releases.sealing import MAX_BYTES
from sn37.domain.release.release import ReleaseFile
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable

if TYPE_CHECKING:
    from sn37.ports.releases import ReleaseSource

READ_TIMEOUT_S = 30.0  # without a byte
FETCH_TIMEOUT_S = 900.0  # for one file
MAX_REDIRECTS = 3
_CHUNK_BYTES = 1 << 16
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Source:
    """A release document at a path or an address, and the files beside it."""

    def __init__(self, place: str) -> None:
        self._place = place

    def document(self) -> bytes:
        """See ``ReleaseSource``."""
        # One byte more than allowed shows that it is too long.
        return b"".join(_chunks(self._place, MAX_BYTES + 1))

    def fetch(self, file: ReleaseFile, folder: Path) -> Path:
        """See ``ReleaseSource``."""
        target, digest, size = folder / file.name, sha256(), 0
        try:
            with target.open("xb") as out:
                for chunk in _chunks(_beside(self._place, file.name), file.size_bytes + 1):
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


def _beside(place: str, name: str) -> str:
    if not _is_remote(place):
        return str(Path(place).with_name(name))
    parts = urlsplit(place)
    path = f"{parts.path.rpartition('/')[0]}/{quote(name)}"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _chunks(place: str, limit_bytes: int) -> Iterator[bytes]:
    """Yield the content, at most ``limit_bytes`` of it.

    Raises:
        ReleaseUnavailable: It cannot be read, or not in time.
        ReleaseRefused: The address or a redirect is not allowed.
    """
    until = time.monotonic() + FETCH_TIMEOUT_S
    try:
        with closing(_get(place) if _is_remote(place) else Path(place).open("rb")) as stream:
            while limit_bytes and (chunk := stream.read(min(limit_bytes, _CHUNK_BYTES))):
                limit_bytes -= len(chunk)
                if time.monotonic() > until:
                    raise ReleaseUnavailable(f"{place}: not complete after {FETCH_TIMEOUT_S:.0f} s")
                yield chunk
    except urllib.error.HTTPError as error:
        error.close()
        raise ReleaseUnavailable(f"{place}: the server answers {error.code}") from error
    except urllib.error.URLError as error:
        raise ReleaseUnavailable(f"{place}: {error.reason}") from error
    except HTTPException as error:
        raise ReleaseUnavailable(f"{place}: broken answer ({type(error).__name__})") from error
    except OSError as error:
        raise ReleaseUnavailable(f"{place}: {error.strerror or error}") from error


def _get(address: str) -> IO[bytes]:
    try:
        parts = urlsplit(address)
        local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    except ValueError as error:
        raise ReleaseRefused(f"{address}: not a valid address") from error
    if parts.scheme != "https" and not local:
        raise ReleaseRefused(f"{address}: only https addresses and files are allowed")
    opener = urllib.request.build_opener(Redirects)
    answer: IO[bytes] = opener.open(address, timeout=READ_TIMEOUT_S)
    return answer


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
