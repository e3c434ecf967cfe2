"""The hub's endpoints, one method each; the faults are applied here."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from tests.integration.hub.hub_repositories import (
    LFS_SUFFIXES,
    HubFile,
    HubRepository,
)
from tests.integration.hub.hub_state import Hub, Served

BLOCK = 1 << 16
_ROUTES: list[tuple[str, re.Pattern[str], str]] = []
_PAUSE = threading.Event()  # never set: waiting on it is a latency


def _route(method: str, pattern: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def register(function: Callable[..., None]) -> Callable[..., None]:
        full = pattern.replace("REPO", r"(?P<repo>[^/]+/[^/]+)")
        _ROUTES.append((method, re.compile(full), function.__name__))
        return function

    return register


class _Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "refused") -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    hub: ClassVar[Hub]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length) if length else b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.body = self._read_chunks()
        self.hub.on_event()
        self.fault = self.hub.fault_for(self.command, self.path)
        if self.fault.delay_s:
            _PAUSE.wait(self.fault.delay_s)
        if self.fault.drop:
            self.close_connection = True
            self._note(0, 0)
            return
        try:
            if self.fault.status is not None:
                raise _Refused(self.fault.status)
            for method, pattern, name in _ROUTES:
                wanted = "GET" if self.command == "HEAD" else self.command
                if method == wanted and (found := pattern.fullmatch(path)):
                    getattr(self, name)(**found.groupdict())
                    return
            raise _Refused(404, message=f"no such endpoint: {self.command} {path}")
        except _Refused as refused:
            body = json.dumps({"error": str(refused)}).encode()
            headers = {"Content-Type": "application/json", **refused.headers, **self.fault.headers}
            self._send(refused.status, body, headers)

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    @_route("GET", r"/api/whoami-v2")
    def whoami(self) -> None:
        name = self._user()
        if name is None:
            raise _Refused(401, message="Invalid credentials in Authorization header")
        role = {"accessToken": {"role": "write"}}
        self._json({"type": "user", "name": name, "orgs": [], "auth": role})

    @_route("POST", r"/api/validate-yaml")
    def validate_readme(self) -> None:
        self._json({"errors": [], "warnings": []})

    @_route("POST", r"/api/repos/create")
    def create(self) -> None:
        request = json.loads(self.body)
        user = self._user()
        owner = request.get("organization") or user
        if user is None or owner != user:
            raise _Refused(403, message=f"you may not create a repository of {owner}")
        repo = f"{owner}/{request['name']}"
        url = {"url": f"{self.hub.url}/{repo}"}
        if repo in self.hub.repositories:
            self._json(url, status=409)
            return
        home = HubRepository(owner, private=request.get("visibility") == "private")
        home.commit({".gitattributes": HubFile(b"*.safetensors filter=lfs\n")})
        self.hub.repositories[repo] = home
        self._json(url)

    @_route("PUT", r"/api/models/REPO/settings")
    def settings(self, repo: str) -> None:
        home, request = self._writable(repo), json.loads(self.body)
        if "visibility" in request:
            home.private = request["visibility"] == "private"
        if "gated" in request:
            home.gated = bool(request["gated"])
        self._json({})

    @_route("GET", r"/api/datasets/REPO/commits/main")
    def commits(self, repo: str) -> None:
        """The newest first, ``page_length`` a page, with a link to the next page."""
        home = self._readable(repo)
        number = int(parse_qs(urlsplit(self.path).query).get("p", ["0"])[0])
        rows = [
            {"id": commit, "title": "", "message": "", "authors": [], "date": home.dates[commit]}
            for commit in reversed(home.revisions)
        ]
        start = number * self.hub.page_length
        following = f"{self.hub.url}/api/datasets/{repo}/commits/main?p={number + 1}"
        link = (
            {"Link": f'<{following}>; rel="next"'} if rows[start:][self.hub.page_length :] else {}
        )
        self._json(rows[start:][: self.hub.page_length], headers=link)

    @_route("GET", r"/api/(?:models|datasets)/REPO(?:/revision/(?P<revision>[^/]+))?")
    def info(self, repo: str, revision: str | None) -> None:
        home = self._readable(repo)
        wanted = revision or "main"
        files = self._revision(home, wanted)
        with_blobs = "blobs=true" in self.path.lower()
        siblings: list[dict[str, object]] = []
        for path, file in files.items():
            sibling: dict[str, object] = {"rfilename": path}
            if with_blobs:
                sibling |= {"size": file.size, "blobId": file.blob_id}
                if file.lfs:
                    sibling["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": 1}
            siblings.append(sibling)
        self._json(
            {
                "id": repo,
                "sha": home.head if wanted == "main" else home.branches.get(wanted, wanted),
                "private": home.private,
                "gated": "auto" if home.gated else False,
                "disabled": home.disabled,
                "tags": [],
                "cardData": home.card,
                "siblings": siblings,
            }
        )

    @_route("GET", r"/api/models/REPO/tree/(?P<revision>[^/]+)")
    def tree(self, repo: str, revision: str) -> None:
        rows = []
        for path, file in self._revision(self._readable(repo), revision).items():
            row: dict[str, object] = {"type": "file", "path": path, "size": file.size}
            row["oid"] = file.blob_id
            if file.lfs:
                row["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 1}
            rows.append(row)
        self._json(rows)

    @_route("GET", r"(?:/datasets)?/REPO/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    def resolve(self, repo: str, revision: str, path: str) -> None:
        home = self._readable(repo)
        if home.gated and self._user() != home.owner:
            raise _Refused(403, "GatedRepo", "ask for access first")
        file = self._revision(home, revision).get(path)
        if file is None:
            raise _Refused(404, "EntryNotFound", f"no {path}")
        headers = {"X-Repo-Commit": home.head if revision == "main" else revision}
        if file.lfs:
            headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
        if file.lfs and self.hub.cdn_url:
            location = f"{self.hub.cdn_url}/cdn/{repo}/{revision}/{path}"
            self._send(302, b"", headers | {"Location": location})
            return
        self._file(file.data, headers | {"ETag": f'"{file.blob_id}"'})

    @_route("GET", r"/cdn/REPO/(?P<revision>[^/]+)/(?P<path>.+)")
    def cdn(self, repo: str, revision: str, path: str) -> None:
        if "Authorization" in self.headers:
            self.hub.cdn_authorized.append(path)
        self._file(self._revision(self.hub.repositories[repo], revision)[path].data, {})

    @_route("POST", r"/api/models/REPO/preupload/main")
    def preupload(self, repo: str) -> None:
        home = self._writable(repo)
        present = self._revision(home, "main")
        answers = []
        for file in json.loads(self.body)["files"]:
            known = present.get(file["path"])
            lfs = file["path"].endswith(LFS_SUFFIXES)
            answers.append(
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if lfs else "regular",
                    "shouldIgnore": False,
                    "oid": None if known is None else known.sha256 if lfs else known.blob_id,
                }
            )
        self._json({"files": answers})

    @_route("POST", r"/REPO\.git/info/lfs/objects/batch")
    def batch(self, repo: str) -> None:
        self._writable(repo)
        answers = []
        for wanted in json.loads(self.body)["objects"]:
            answer = dict(wanted)
            if wanted["oid"] not in self.hub.objects:
                href = f"{self.hub.url}/lfs/{wanted['oid']}"
                answer["actions"] = {
                    "upload": {"href": href, "header": {}},
                    "verify": {"href": f"{href}/verify", "header": {}},
                }
            answers.append(answer)
        self._json({"transfer": "basic", "objects": answers})

    @_route("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})")
    def store(self, oid: str) -> None:
        if HubFile(self.body).sha256 != oid:  # its sender was killed on the way
            raise _Refused(422, message="the upload is not what was announced")
        self.hub.objects[oid] = self.body
        self._json({})

    @_route("POST", r"/lfs/(?P<oid>[0-9a-f]{64})/verify")
    def verify(self, oid: str) -> None:
        stored = HubFile(self.hub.objects.get(oid, b""))
        if stored.sha256 != oid or stored.size != json.loads(self.body)["size"]:
            self.hub.objects.pop(oid, None)
            raise _Refused(422, message="the upload is not what was announced")
        self._json({})

    @_route("POST", r"/api/models/REPO/commit/main")
    def commit(self, repo: str) -> None:
        home = self._writable(repo)
        files = dict(self._revision(home, "main"))
        for line in self.body.splitlines():
            change = json.loads(line)
            value = change["value"]
            match change["key"]:
                case "header":
                    if value.get("parentCommit", home.head) != home.head:
                        raise _Refused(412, message="the branch has moved")
                case "file":
                    files[value["path"]] = HubFile(base64.b64decode(value["content"]))
                case "lfsFile":
                    files[value["path"]] = HubFile(self.hub.objects[value["oid"]], lfs=True)
                case "deletedFile":
                    files.pop(value["path"], None)
                case _:
                    raise _Refused(400, message=f"unknown change {change['key']}")
        revision = home.commit(files)
        url = f"{self.hub.url}/{repo}/commit/{revision}"
        self._json({"commitOid": revision, "commitUrl": url, "success": True})

    def _user(self) -> str | None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        return self.hub.tokens.get(token)

    def _readable(self, repo: str) -> HubRepository:
        home = self.hub.repositories.get(repo)
        if home is None or (home.private and self._user() != home.owner):
            raise _Refused(401, "RepoNotFound", "Repository not found")
        return home

    def _writable(self, repo: str) -> HubRepository:
        home = self._readable(repo)
        if self._user() != home.owner:
            raise _Refused(403, message="you may not write here")
        return home

    def _revision(self, home: HubRepository, revision: str) -> Mapping[str, HubFile]:
        files = home.files(revision)
        if files is None:
            raise _Refused(404, "RevisionNotFound", f"no revision {revision}")
        return files

    def _file(self, data: bytes, headers: dict[str, str]) -> None:
        if self.fault.flip:
            data = bytes(255 - byte for byte in data)
        data += b"x" * self.fault.resize
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None or self.fault.ignore_range:
            self._send(200, data, headers)
            return
        start = int(asked[1])
        stop = min(int(asked[2]) + 1, len(data)) if asked[2] else len(data)
        if start >= stop:
            self._send(416, b"", headers | {"Content-Range": f"bytes */{len(data)}"})
            return
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        self._send(206, data[start:stop], headers, offset=start)

    def _json(
        self, value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        headers = {"Content-Type": "application/json", **(headers or {})}
        self._send(status, json.dumps(value).encode(), headers)

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str], *, offset: int = 0
    ) -> None:
        body = body if self.fault.body is None else self.fault.body
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        sent = 0
        try:
            if self.command != "HEAD":
                view = memoryview(body)
                if self.fault.cut_after is not None:
                    view = view[: self.fault.cut_after]
                    self.close_connection = True
                while sent < len(view):
                    if self.fault.block_delay_s:
                        _PAUSE.wait(self.fault.block_delay_s)
                    self.wfile.write(view[sent : sent + BLOCK])
                    sent += len(view[sent : sent + BLOCK])
                    self.hub.on_event()
        finally:
            self._note(status, sent, offset)

    def _note(self, status: int, sent: int, offset: int = 0) -> None:
        self.hub.record(Served(self.command, self.path, status, sent, offset))
