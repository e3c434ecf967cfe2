"""A wandb host on 127.0.0.1 that speaks what version 0.31 of the ``wandb`` client asks for."""

from __future__ import annotations

import base64
import io
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from sn37.domain.canonical import JsonValue

Row = dict[str, JsonValue]  # a history row with its _step and _timestamp
API_KEY = "k" * 40
HISTORY = "wandb-history.jsonl"
US = "us"  # the entity of whoever asks
OURS: JsonValue = {"id": "1", "name": US}
PATIENCE_S = 60.0  # of an answer that does not come


@dataclass(slots=True, kw_only=True)
class HostedRun:
    """A run; ``rows`` are ordered by step, and so many of the first are in an archive, too."""

    id: str
    config: Mapping[str, JsonValue]
    created_at: datetime
    heartbeat_at: datetime
    rows: list[Row] = field(default_factory=list)
    num_archived: int = 0
    config_text: str | None = None  # as sent, in place of the config
    name: str = ""  # for people
    is_closed: bool = False  # its writer has finished it

    @property
    def last_step(self) -> int:
        step = self.rows[-1]["_step"] if self.rows else -1
        assert isinstance(step, int)
        return step


@dataclass(slots=True, kw_only=True)
class Fault:
    """What happens to requests of one kind instead of, or to, a good answer."""

    operation: str  # of GraphQL: Viewer, Runs, RunHistoryKeys, RunParquetHistory, HistoryPage
    skip: int = 0
    times: int | None = 1  # None for all
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    data: JsonValue = None  # another answer
    cut: bool = False  # half of the answer arrives
    drop: bool = False  # nothing does
    mute: bool = False  # nothing does, and the connection stays open
    is_late: bool = False  # written lines were taken, only the answer is at fault

    def applies(self, operation: str) -> bool:
        if operation != self.operation or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(slots=True)
class WandbHost:
    """What a host holds, and what it was asked."""

    url: str = ""
    projects: dict[str, list[HostedRun]] = field(default_factory=dict)  # by "entity/project"
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, dict[str, JsonValue]]] = field(default_factory=list)
    on_request: Callable[[str], None] = lambda operation: None
    closing: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)
    keys: frozenset[str] | None = None  # that it accepts; None accepts all

    def answer(self, operation: str, variables: dict[str, JsonValue]) -> JsonValue:
        self.asked.append((operation, variables))
        if operation == "Viewer":
            return {"viewer": {"id": "1", "entity": "us", "username": "us", "flags": "{}"}}
        if operation in ("RunResumeStatus", "UpsertBucket", "CreateRunFiles"):
            return self._write(operation, variables)
        if operation == "GetViewer":
            return {"viewer": _viewer()}
        project = f"{variables['entity']}/{variables['project']}"
        runs = self.projects.get(project)
        if runs is None:
            return {"project": None}
        if operation == "Runs":
            return {"project": _listing(runs, variables)}
        name = variables.get("name") or variables.get("runName") or variables.get("run")
        run = next((run for run in runs if run.id == name), None)
        found = None if run is None else _history(operation, run, variables, self.url)
        return {"project": {"run": found}}

    def written(self, project: str) -> list[HostedRun]:
        """The runs of a project of ours that clients have written."""
        return self.projects.get(f"{US}/{project}", [])

    def stream(self, project: str, run_id: str, body: Mapping[str, JsonValue]) -> None:
        """Take lines of history: they replace those from their offset on."""
        self.asked.append(("file_stream", dict(body)))
        run = next(run for run in self.written(project) if run.id == run_id)
        match body.get("files"):
            case {"wandb-history.jsonl": {"offset": int(offset), "content": [*lines]}}:
                assert offset <= len(run.rows), "a gap"
                rows = [json.loads(str(line)) for line in lines]
                run.rows[offset : offset + len(rows)] = rows
        run.is_closed = run.is_closed or bool(body.get("complete"))
        with self.changed:
            self.changed.notify_all()

    def wait_until(self, is_so: Callable[[], bool], within_s: float = 120.0) -> None:
        """Wait for something that clients write."""
        with self.changed:
            assert self.changed.wait_for(is_so, within_s), "it took too long"

    def _write(self, operation: str, variables: dict[str, JsonValue]) -> JsonValue:
        project = str(variables["project"])
        if operation == "CreateRunFiles":
            names = variables["files"]
            assert isinstance(names, list)
            files: list[JsonValue] = [
                {"name": name, "uploadUrl": f"{self.url}/upload/{name}"} for name in names
            ]
            run_id = str(variables["run"])
            return {"createRunFiles": {"runID": run_id, "uploadHeaders": [], "files": files}}
        name = str(variables["name"])
        run = next((run for run in self.written(project) if run.id == name), None)
        if operation == "RunResumeStatus":
            bucket = None if run is None else _resumed(run)
            return {"model": {"id": "1", "name": project, "entity": OURS, "bucket": bucket}}
        is_new = run is None
        if run is None:
            now = datetime.now(UTC)
            run = HostedRun(id=name, config={}, created_at=now, heartbeat_at=now)
            self.projects.setdefault(f"{US}/{project}", []).append(run)
        _update(run, variables)
        bucket = {**_resumed(run), "project": {"id": "1", "name": project, "entity": OURS}}
        return {"upsertBucket": {"bucket": bucket, "inserted": is_new}}

    def archive(self, run_id: str) -> bytes:
        """The Parquet file of a run."""
        self.asked.append(("archive", {"name": run_id}))
        (run,) = (run for runs in self.projects.values() for run in runs if run.id == run_id)
        file = io.BytesIO()
        rows = run.rows[: run.num_archived]
        columns = sorted({name for row in rows for name in row})
        table = pa.table({name: [row.get(name) for row in rows] for name in columns})
        pq.write_table(table, file)
        return file.getvalue()

    def fault(self, operation: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.applies(operation)), None)


def _resumed(run: HostedRun) -> dict[str, JsonValue]:
    """What a client learns about a run that it opens."""
    return {
        "id": f"storage-{run.id}",
        "name": run.id,
        "displayName": run.name,
        "description": None,
        "sweepName": None,
        "config": run.config_text or "{}",
        "summaryMetrics": json.dumps(run.rows[-1]) if run.rows else "{}",
        "historyLineCount": len(run.rows),
        "eventsLineCount": 0,
        "logLineCount": 0,
        "historyTail": json.dumps([json.dumps(row) for row in run.rows[-1:]]),
        "eventsTail": "[]",
        "tags": [],
        "wandbConfig": '{"t": 1}',
    }


def _update(run: HostedRun, variables: Mapping[str, JsonValue]) -> None:
    if isinstance(name := variables.get("displayName"), str):
        run.name = name
    if isinstance(text := variables.get("config"), str):
        run.config_text = text
        run.config = {
            key: held["value"] for key, held in json.loads(text).items() if key != "_wandb"
        }
    run.is_closed = False
    run.heartbeat_at = datetime.now(UTC)


def _viewer() -> JsonValue:
    """The account of the key, as the client's public interface asks for it."""
    return {
        "__typename": "User",
        "id": "1",
        "name": "Us",
        "username": "us",
        "email": "us@example.org",
        "admin": False,
        "flags": "{}",
        "entity": "us",
        "deletedAt": None,
        "apiKeys": {"edges": []},
        "teams": {"edges": []},
    }


def _listing(runs: list[HostedRun], variables: Mapping[str, JsonValue]) -> JsonValue:
    filters, cursor, per_page = variables["filters"], variables["cursor"], variables["perPage"]
    assert isinstance(filters, str)
    assert isinstance(per_page, int)
    assert variables["order"] == "+created_at"
    wanted = json.loads(filters)
    matching = sorted((r for r in runs if _matches(r, wanted)), key=lambda r: r.created_at)
    first = int(cursor) if isinstance(cursor, str) else 0
    page = matching[first : first + per_page]
    edges: list[JsonValue] = [
        {"node": node_of(run), "cursor": str(first + number)}
        for number, run in enumerate(page, start=1)
    ]
    return {
        "internalId": "1",
        "runCount": len(matching),
        "readOnly": True,
        "runs": {
            "edges": edges,
            "pageInfo": {
                "endCursor": str(first + len(page)),
                "hasNextPage": first + len(page) < len(matching),
            },
        },
    }


def node_of(run: HostedRun) -> JsonValue:
    return {
        "id": f"storage-{run.id}",
        "projectId": "1",
        "name": run.id,
        "displayName": run.name or run.id,
        "state": "finished" if run.is_closed else "running",
        "tags": [],
        "sweepName": None,
        "config": run.config_text
        or json.dumps({key: {"value": value} for key, value in run.config.items()}),
        "summaryMetrics": json.dumps(run.rows[-1]) if run.rows else "{}",
        "systemMetrics": "{}",
        "createdAt": iso(run.created_at),
        "heartbeatAt": iso(run.heartbeat_at),
        "historyLineCount": len(run.rows),
        "historyKeys": {"lastStep": run.last_step, "keys": {}},
        "user": {"name": "someone", "username": "someone"},
    }


def _history(
    operation: str, run: HostedRun, variables: Mapping[str, JsonValue], url: str
) -> JsonValue:
    match operation:
        case "RunHistoryKeys":
            return {"historyKeys": {"lastStep": run.last_step, "keys": {}}}
        case "RunParquetHistory":
            archives: list[JsonValue] = [f"{url}/archive/{run.id}"] if run.num_archived else []
            live: list[JsonValue] = [
                {"_step": row["_step"]} for row in run.rows[run.num_archived :]
            ]
            return {"parquetHistory": {"parquetUrls": archives, "liveData": live}}
        case "HistoryPage":
            first, last = variables["minStep"], variables["maxStep"]
            size = variables["pageSize"]
            assert isinstance(first, int)
            assert isinstance(last, int)
            assert isinstance(size, int)
            inside = [row for row in run.rows if first <= _step(row) < last]
            return {"history": [json.dumps(row) for row in inside[:size]]}
    raise AssertionError(f"nobody knows {operation}")


def _step(row: Row) -> int:
    step = row["_step"]
    assert isinstance(step, int)
    return step


def _matches(run: HostedRun, wanted: Mapping[str, JsonValue]) -> bool:
    """The part of MongoDB's query language that wandb documents and is used here."""
    fields: dict[str, JsonValue] = {
        "createdAt": iso(run.created_at),
        "heartbeatAt": iso(run.heartbeat_at),
        **{f"config.{key}": value for key, value in run.config.items()},
    }
    for name, condition in wanted.items():
        if name == "$and":
            assert isinstance(condition, list)
            if not all(_matches(run, c) for c in condition if isinstance(c, dict)):
                return False
            continue
        assert isinstance(condition, dict)
        ((operator, value),) = condition.items()
        found = fields.get(name)
        if not _compare(operator, found, value):
            return False
    return True


def _compare(operator: str, found: JsonValue, value: JsonValue) -> bool:
    match operator, found, value:
        case "$in", _, list():
            return found in value
        case "$gte", str(), str():
            return found >= value
        case "$lt", str(), str():
            return found < value
    return False


def iso(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: WandbHost

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._is_known():
            self._send(401, {"errors": [{"message": "user is not logged in"}]})
            return
        streamed = re.fullmatch(r"/files/\w+/([\w-]+)/(\w+)/file_stream", self.path)
        if streamed:
            operation = "history" if HISTORY in (body.get("files") or {}) else "file_stream"
        else:
            assert self.path == "/graphql"
            named = re.search(r"(?:query|mutation)\s+(\w+)", body["query"])
            assert named
            operation = named[1]
        self.host.on_request(operation)
        fault = self.host.fault(operation)
        answer: JsonValue = {}
        if streamed and (fault is None or fault.is_late):
            self.host.stream(streamed[1], streamed[2], body)
        elif not streamed:
            answer = self.host.answer(operation, body.get("variables") or {})
        if streamed and fault is None:
            self._send(200, {})
            return
        if fault is None:
            self._send(200, {"data": answer})
        elif fault.drop or fault.mute:
            if fault.mute:
                self.host.closing.wait(PATIENCE_S)
            self._hang_up()
        elif fault.cut:
            self._send(200, {"data": answer}, cut=True)
        elif fault.status is not None:
            self._send(fault.status, {"error": "not now"}, headers=fault.headers)
        else:
            self._send(200, {"data": fault.data})

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(200, {})

    def _is_known(self) -> bool:
        """True if the request has a key that the host accepts."""
        if self.host.keys is None:
            return True
        given = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic "))
        return given.decode().removeprefix("api:") in self.host.keys

    def do_GET(self) -> None:
        body = self.host.archive(self.path.removeprefix("/archive/"))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send(
        self,
        status: int,
        value: JsonValue,
        *,
        headers: Mapping[str, str] | None = None,
        cut: bool = False,
    ) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.wfile.flush()
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients are killed and faults cut connections: both are what the tests are about."""


@contextmanager
def running_wandb() -> Iterator[WandbHost]:
    """A host that answers until the context is left."""
    host = WandbHost()
    handler = type("BoundHandler", (_Handler,), {"host": host})
    with _Server(("127.0.0.1", 0), handler) as server:
        host.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield host
        finally:
            host.closing.set()
            server.shutdown()
            thread.join()
