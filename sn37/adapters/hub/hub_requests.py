"""Requests of a transfer process to the hub: listings and ranges of files. Child side.

Requests use the session, the headers and the error types of huggingface_hub. Its download
functions are not used: they neither verify what they receive nor stop in time
(docs/decisions/0031).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, not marked
    build_hf_headers,
    get_session,
    hf_raise_for_status,
    parse_ratelimit_headers,
    validate_repo_id,
)

from sn37.adapters.admission.files import ListedFile
from sn37.adapters.hub.transfer_messages import Connection
from sn37.domain.canonical import JsonValue
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelNotPublic, ModelRejected, PortError, StoreUnavailable

MAX_LISTING_BYTES = 4 << 20  # 128 files take about 50 KB
MAX_IDENTITY_BYTES = 1 << 20
READ_TIMEOUT_S = 30.0  # of silence within an answer
RATE_LIMIT_WINDOW_S = 300.0  # the hub's rate limit window; a longer wait is an error
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file of a pinned revision in the hub's listing."""

    listed: ListedFile
    blob_id: str  # git's sha1 of the blob, for files outside Git LFS
    sha256: str | None  # hex, for files in Git LFS


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A revision in the hub's description."""

    commit: str
    public: bool
    gated: bool
    files: tuple[RemoteFile, ...]
    licence: str | None = None  # in the model card


@dataclass(frozen=True, slots=True, kw_only=True)
class HubIdentity:
    """Owner of the token that a request had, and the time in the answer."""

    endpoint: str
    has_token: bool
    user: str | None  # ``None``: there is no token, or the hub refuses it
    date: str | None  # as in the answer's header
    answered_s: float


class HubHost:
    """Access to one hub, with this machine's token if it has one.

    Every method raises ``StoreUnavailable``, and ``ModelNotPublic`` or ``ModelRejected``
    (``gated``) if the repository is the cause.
    """

    def __init__(self, connection: Connection) -> None:
        self._endpoint = (connection.endpoint or constants.ENDPOINT).rstrip("/")
        # Ranges count bytes of the plain file: a compressed body would have other offsets.
        self._headers = build_hf_headers(
            token=connection.token,
            library_name="sn37",
            headers={"Accept-Encoding": "identity"},
        )

    def public(self, repo: str, revision: str) -> Listing:
        """Return the listing of a commit that everybody can read: one request of bounded size."""
        found = self.listing(repo, revision)
        if not found.public:  # our token may be able to read it
            raise ModelNotPublic(f"{repo} is not public")
        if found.gated:
            raise ModelRejected(f"{repo} is gated", reason=Reason.GATED)
        if found.commit != revision:
            raise ModelRejected(
                f"{repo}: {revision[:12]} is not a commit but names {found.commit[:12]!a}",
                reason=Reason.DIGEST_MISMATCH,
            )
        return found

    def listing(self, repo: str, revision: str) -> Listing:
        """Return the hub's listing of a revision that this token can read."""
        with _translated(repo):
            validate_repo_id(repo)
            commit = quote(revision, safe="")
            url = f"{self._endpoint}/api/models/{repo}/revision/{commit}?blobs=true"
            body = b""
            for chunk in self._get(url):
                body += chunk
                if len(body) > MAX_LISTING_BYTES:
                    raise ModelRejected(
                        f"{repo}: listing exceeds {MAX_LISTING_BYTES} bytes: publish fewer files",
                        reason=Reason.TOO_MANY_FILES,
                    )
        try:
            info: dict[str, JsonValue] = json.loads(body)
            return Listing(
                commit=str(info["sha"]),
                public=not (info["private"] or info.get("disabled")),
                gated=bool(info.get("gated")),
                files=tuple(map(_remote_file, cast("list[JsonValue]", info["siblings"]))),
                licence=_licence(info.get("cardData")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StoreUnavailable(f"{repo}: the hub's listing has an unknown form") from error

    def identity(self) -> HubIdentity:
        """Return whose token this machine has: one request, which a hub answers without one, too.

        Raises:
            StoreUnavailable: The hub does not answer, or not to this request.
        """
        began = time.monotonic()
        with _translated("whoami"):
            try:
                with self._opened(f"{self._endpoint}/api/whoami-v2", {}) as response:
                    name = _user_name(response)
            except HfHubHTTPError as error:
                if error.response.status_code not in (401, 403):
                    raise
                name, response = None, error.response
        return HubIdentity(
            endpoint=self._endpoint,
            has_token="authorization" in self._headers,
            user=name,
            date=response.headers.get("Date"),
            answered_s=time.monotonic() - began,
        )

    def stream(
        self, repo: str, revision: str, file: ListedFile, start: int, stop: int
    ) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to ``stop`` of one file, in order, in pieces.

        Ends early if the connection does; never yields more than requested. HTTP allows a
        server to answer with the whole file: bytes before ``start`` are then skipped.
        """
        # Builds the URL of hf_hub_url, whose import would lengthen a process's start by a quarter.
        commit, path = quote(revision, safe=""), quote(file.path)
        url = f"{self._endpoint}/{repo}/resolve/{commit}/{path}"
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        with _translated(repo), self._opened(url, headers) as response:
            place = _first_byte(response, start, file.size_bytes)
            is_whole = response.status_code == 200
            for chunk in response.iter_raw():
                wanted = chunk[max(0, start - place) :]
                place += len(chunk)
                if place > stop and not is_whole:
                    raise StoreUnavailable(f"{repo}: the hub sent too many bytes of {file.path}")
                if place >= stop:
                    yield wanted[: len(wanted) - (place - stop)]
                    return
                if wanted:
                    yield wanted

    def _get(self, url: str) -> Iterator[bytes]:
        with self._opened(url, {}) as response:
            yield from response.iter_raw()

    @contextmanager
    def _opened(self, url: str, headers: dict[str, str]) -> Iterator[httpx2.Response]:
        with get_session().stream(
            "GET", url, headers={**self._headers, **headers}, timeout=READ_TIMEOUT_S
        ) as response:
            hf_raise_for_status(response)
            yield response


def _user_name(response: httpx2.Response) -> str:
    """Return the name in an answer to whoami, which is small.

    Raises:
        StoreUnavailable: It has another form.
    """
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > MAX_IDENTITY_BYTES:
            raise StoreUnavailable("the hub's answer about the token is too long")
    try:
        return str(json.loads(body)["name"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreUnavailable("the hub's answer about the token has an unknown form") from error


def _first_byte(response: httpx2.Response, start: int, file_bytes: int) -> int:
    """Return the offset in the file where the body begins, without reading the body.

    Raises:
        StoreUnavailable: It begins neither at ``start`` nor at 0, or the file's size differs.
    """
    if response.status_code == 200:
        place, whole = 0, response.headers.get("Content-Length", str(file_bytes))
    else:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        place, whole = (int(found[1]), found[2]) if found else (-1, "")
        if response.status_code != 206 or place != start:
            raise StoreUnavailable(f"the hub did not serve the range from byte {start}")
    if whole != str(file_bytes):
        raise StoreUnavailable(f"the hub serves {whole or '?'} bytes, but lists {file_bytes} bytes")
    return place


def _remote_file(sibling: JsonValue) -> RemoteFile:
    match sibling:
        case {"rfilename": str(path), "lfs": {"sha256": str(sha256), "size": int(size)}}:
            if not _SHA256.fullmatch(sha256):
                raise ValueError(f"{path[:80]!a}: invalid sha256 {sha256[:80]!a}")
            return RemoteFile(listed=ListedFile(path, size), blob_id="", sha256=sha256)
        case {"rfilename": str(path), "size": int(size), "blobId": str(blob_id)}:
            return RemoteFile(listed=ListedFile(path, size), blob_id=blob_id, sha256=None)
        case other:
            raise ValueError(f"invalid file entry: {str(other)[:80]!a}")


def _licence(card: JsonValue) -> str | None:
    """Return the licence in a model card's header: its name if the identifier is "other"."""
    match card:
        case {"license": "other", "license_name": str(name)}:
            return name
        case {"license": str(name)} | {"license": [str(name), *_]}:
            return name
    return None


@contextmanager
def _translated(repo: str) -> Iterator[None]:
    """Translate the errors of huggingface_hub and httpx2 to the port's errors."""
    try:
        yield
    except PortError:
        raise
    except (HfHubHTTPError, httpx2.HTTPError, HFValidationError, OfflineModeIsEnabled) as error:
        raise port_error(repo, error) from error


def port_error(repo: str, error: Exception) -> PortError:
    """Return the port's error for a failed request; case order matters, the types are nested."""
    match error:
        case GatedRepoError():
            return ModelRejected(f"{repo} is gated", reason=Reason.GATED)
        case RepositoryNotFoundError() | RevisionNotFoundError() | DisabledRepoError():
            return ModelNotPublic(f"{repo} cannot be read at this commit: is it public?")
        case HFValidationError():
            return ModelNotPublic(f"{repo[:80]!a} is not a valid repository name")
        case HfHubHTTPError():
            return _http_error(repo, error)
        case OfflineModeIsEnabled():
            return StoreUnavailable("HF_HUB_OFFLINE is set: unset it to reach the hub")
        case _:
            return StoreUnavailable(f"the hub does not answer: {type(error).__name__}")


def _http_error(repo: str, error: HfHubHTTPError) -> PortError:
    status = error.response.status_code
    if status == 401:
        # A missing repository has an error code; a plain 401 is about our token.
        return StoreUnavailable("the hub refuses the token: renew HF_TOKEN or run `hf auth login`")
    if status in (403, 404, 410, 451):
        return ModelNotPublic(f"{repo} cannot be read: the hub answers {status}")
    return StoreUnavailable(f"the hub answers {status}", retry_after_s=_retry_after_s(error))


def _retry_after_s(error: HfHubHTTPError) -> float | None:
    headers = error.response.headers
    if (text := headers.get("Retry-After", "")).isdecimal():  # HTTP allows a date as well
        return min(float(text), RATE_LIMIT_WINDOW_S)
    limits = parse_ratelimit_headers(headers)
    if limits is None or limits.remaining != 0:
        return None
    return float(min(limits.reset_in_seconds, RATE_LIMIT_WINDOW_S))
