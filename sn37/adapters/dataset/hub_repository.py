"""A data set's repository on Hugging Face at a pinned revision. Child side.

Requests use the session, the headers and the error types of huggingface_hub. Its own download
functions do not verify what they receive, and retry for longer than a round has time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1, sha256
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import quote, urlsplit

import httpx2
from huggingface_hub import constants, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, not marked
    build_hf_headers,
    get_session,
    hf_raise_for_status,
    parse_ratelimit_headers,
)

from sn37.domain.backoff import Backoff
from sn37.domain.canonical import JsonValue
from sn37.domain.ids import is_commit
from sn37.ports.errors import DatasetUnavailable

MAX_ANSWER_BYTES = 16 << 20  # of a listing; a file takes about 250 bytes of it
MAX_PAGES = 40  # of commits, 50 each; the wanted one is among the newest
MAX_SKIPPED_BYTES = 64 << 20  # read of a file to get a part of it, if ranges are ignored
MAX_WAIT_S = 30.0  # the longest wait between two tries that the hub may ask for
READ_TIMEOUT_S = 20.0  # of silence
TRIES = 4
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file of a revision in the hub's listing."""

    path: str
    size_bytes: int
    sha256: str | None  # hex, for files in Git LFS
    blob_id: str  # git's sha1 of the blob, for other files


class _Broken(Exception):
    """An answer of the wrong form; another try may help."""


class HubRepository:
    """One data set's repository.

    Every method raises ``DatasetUnavailable`` if the hub does not answer, answers too much or in
    an undocumented form. Temporary failures are retried first.

    Args:
        endpoint: ``None`` for that of huggingface_hub.
        pause_s: Before the first retry of a request; doubled each time.
    """

    def __init__(self, repo: str, *, endpoint: str | None, pause_s: float) -> None:
        self._repo = repo
        self._endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._api = f"{self._endpoint}/api/datasets/{repo}"
        self._pauses_s = Backoff(pause_s)
        self._headers = build_hf_headers(
            # The operator's token must not be sent to an endpoint from a schedule.
            token=None if endpoint is None else False,
            library_name="sn37",
            headers={"Accept-Encoding": "identity"},
        )

    def revision_before(self, moment: datetime) -> str:
        """Return the newest commit with an earlier date.

        A commit made through the hub's interface has the hub's time. A pushed commit has the date
        that its author set. So everybody who may write to the repository can back-date a commit,
        as they can write any row.
        """
        url: str | None = f"{self._api}/commits/main"
        for _ in range(MAX_PAGES):
            if url is None:
                break
            commits, url = self._repeated(self._commits, url)
            for commit, date in commits:
                if date < moment:
                    return commit
        raise DatasetUnavailable(f"{self._repo} has no revision older than {moment.isoformat()}")

    def commit_of(self, name: str) -> str:
        """Return the commit that a branch or tag is at today."""
        return self._repeated(self._commit_of, f"{self._api}/revision/{quote(name, safe='')}")

    def files(self, commit: str) -> tuple[RemoteFile, ...]:
        """Return all files of a revision."""
        return self._repeated(self._files, f"{self._api}/revision/{commit}?blobs=true")

    def download(self, commit: str, file: RemoteFile, path: Path) -> None:
        """Transfer one file to ``path`` and check that its bytes are the listed ones."""
        self._repeated(self._download, commit, file, path)

    def part(self, commit: str, file: RemoteFile, span: range) -> bytes:
        """Return some consecutive bytes of a file.

        The hub publishes no hash of them: only their number and the file's size are checked.
        """
        return self._repeated(self._part, commit, file, span)

    def _repeated(self, request: Callable[..., _T], *args: object) -> _T:
        for number in range(1, TRIES + 1):
            try:
                return request(*args)
            except (HfHubHTTPError, httpx2.HTTPError, OfflineModeIsEnabled, _Broken) as error:
                wait_s = _asked_wait_s(error)
                if number == TRIES or not _may_pass(error) or (wait_s or 0.0) > MAX_WAIT_S:
                    message = f"{self._repo}: {_description(error)}"
                    raise DatasetUnavailable(message, retry_after_s=wait_s) from error
            time.sleep(self._pauses_s.after(number) if wait_s is None else wait_s)
        raise AssertionError("the last try must return or raise")

    def _commits(self, url: str) -> tuple[list[tuple[str, datetime]], str | None]:
        """Return a page of (commit, date), the newest first, and the next page's address."""
        with self._opened(url) as response:
            rows = _json(response)
            following = response.links.get("next", {}).get("url")
        if following is not None and urlsplit(following)[:2] != urlsplit(self._endpoint)[:2]:
            raise _Broken("the hub's next page of commits is on another host")
        if not isinstance(rows, list):
            raise _Broken("the hub's answer has no list of commits")
        return [_commit(row) for row in rows], following

    def _commit_of(self, url: str) -> str:
        with self._opened(url) as response:
            match _json(response):
                case {"sha": str(commit)} if is_commit(commit):
                    return commit
        raise _Broken("the hub's answer does not name a commit")

    def _files(self, url: str) -> tuple[RemoteFile, ...]:
        with self._opened(url) as response:
            match _json(response):
                case {"siblings": list(siblings)}:
                    return tuple(map(_remote_file, siblings))
        raise _Broken("the hub's answer has no list of files")

    def _download(self, commit: str, file: RemoteFile, path: Path) -> None:
        digest = sha256() if file.sha256 else sha1(usedforsecurity=False)
        if not file.sha256:
            digest.update(b"blob %d\0" % file.size_bytes)
        size_bytes = 0
        with self._opened(self._url(commit, file)) as response, path.open("wb") as target:
            for chunk in response.iter_raw():
                size_bytes += len(chunk)
                if size_bytes > file.size_bytes:
                    break
                digest.update(chunk)
                target.write(chunk)
        if size_bytes != file.size_bytes or digest.hexdigest() != (file.sha256 or file.blob_id):
            raise _Broken(f"{file.path[:200]!a} does not match its listed size and hash")

    def _part(self, commit: str, file: RemoteFile, span: range) -> bytes:
        body, skipped = bytearray(), span.start
        asked = {"Range": f"bytes={span.start}-{span.stop - 1}"}
        with self._opened(self._url(commit, file), asked) as response:
            if response.status_code == 206:
                stated = f"bytes {span.start}-{span.stop - 1}/{file.size_bytes}"
                if response.headers.get("Content-Range") != stated:
                    raise _Broken(f"{file.path[:200]!a}: the hub answers with other bytes")
                skipped = 0
            elif span.stop > MAX_SKIPPED_BYTES:
                raise _Broken(f"{file.path[:200]!a}: the hub ignores the range of a request")
            for chunk in response.iter_raw():
                body += chunk
                if len(body) >= skipped + len(span):
                    break
        if len(body) < skipped + len(span):
            raise _Broken(f"{file.path[:200]!a}: the hub's answer is too short")
        return bytes(body[skipped : skipped + len(span)])

    def _url(self, commit: str, file: RemoteFile) -> str:
        return hf_hub_url(
            self._repo,
            file.path,
            repo_type="dataset",
            revision=commit,
            endpoint=self._endpoint,
        )

    @contextmanager
    def _opened(
        self, url: str, headers: Mapping[str, str] = NO_HEADERS
    ) -> Iterator[httpx2.Response]:
        with get_session().stream(
            "GET", url, headers={**self._headers, **headers}, timeout=READ_TIMEOUT_S
        ) as response:
            hf_raise_for_status(response)
            yield response


def _json(response: httpx2.Response) -> JsonValue:
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise _Broken(f"an answer of the hub exceeds {MAX_ANSWER_BYTES} bytes")
    try:
        value: JsonValue = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _Broken("an answer of the hub is not JSON") from error
    return value


def _commit(row: JsonValue) -> tuple[str, datetime]:
    match row:
        case {"id": str(commit), "date": str(text)} if is_commit(commit):
            with suppress(ValueError):
                date = datetime.fromisoformat(text)
                if date.tzinfo is not None:
                    return commit, date
    raise _Broken(f"invalid commit entry: {str(row)[:80]!a}")


def _remote_file(sibling: JsonValue) -> RemoteFile:
    match sibling:
        case {"rfilename": str(path), "lfs": {"sha256": str(digest), "size": int(size)}}:
            return RemoteFile(path=path, size_bytes=size, sha256=digest, blob_id="")
        case {"rfilename": str(path), "size": int(size), "blobId": str(blob_id)}:
            return RemoteFile(path=path, size_bytes=size, sha256=None, blob_id=blob_id)
    raise _Broken(f"invalid file entry: {str(sibling)[:80]!a}")


def _may_pass(error: Exception) -> bool:
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in (408, 429) or error.response.status_code >= 500
    return not isinstance(error, OfflineModeIsEnabled)


def _asked_wait_s(error: Exception) -> float | None:
    """Return the wait that the hub asks for, if any."""
    if not isinstance(error, HfHubHTTPError):
        return None
    headers = error.response.headers
    if (text := headers.get("Retry-After", "")).isdecimal():
        return float(text)
    limits = parse_ratelimit_headers(headers)
    return float(limits.reset_in_seconds) if limits and limits.remaining == 0 else None


def _description(error: Exception) -> str:
    match error:
        case HfHubHTTPError():
            status = error.response.status_code
            missing = ": is it public?" if status in (401, 403, 404) else ""
            return f"the hub answers {status}{missing}"
        case OfflineModeIsEnabled():
            return "HF_HUB_OFFLINE is set: unset it to reach the hub"
        case _Broken():
            return str(error)
        case _:
            return f"the hub does not answer: {type(error).__name__}"
