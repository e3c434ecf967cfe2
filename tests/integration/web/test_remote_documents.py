"""Documents of a leaderboard over HTTP, from servers that misbehave."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sn37.adapters.leaderboards import documents
from sn37.adapters.leaderboards.documents import HttpDocuments
from sn37.app.leaderboard.remote import RemoteLeaderboard
from sn37.app.schedule.load import load_schedule
from sn37.app.web.static_site import write_site
from sn37.domain.ids import CompetitionId
from sn37.ports.errors import LeaderboardRefused, LeaderboardUnavailable
from tests.support.boards import served, write_long

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A server that answers each path as a test says, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.answers.get(self.path.partition("?")[0], status(404))(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.port = self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


def at(server: Server, path: str = "") -> HttpDocuments:
    return HttpDocuments(f"http://127.0.0.1:{server.port}{path}")


def test_a_served_leaderboard_and_its_files_are_read_alike(tmp_path: Path, server: Server) -> None:
    (tmp_path / "simnet").mkdir()
    schedule = load_schedule("simnet").schedule
    record = asyncio.run(write_long(tmp_path / "state.sqlite", schedule))
    site = tmp_path / "site"
    write_site(record.board(), site, None)
    for file in (site / "api").rglob("*.json"):
        server.answers[f"/site/{file.relative_to(site)}"] = status(200, file.read_bytes())
    with served(tmp_path) as (address, _):
        live = RemoteLeaderboard(HttpDocuments(f"{address}/"))
        files = RemoteLeaderboard(at(server, "/site/"))
        for competition in (CompetitionId(1), CompetitionId(2)):
            ours, theirs = live.competition(competition), files.competition(competition)
            assert ours is not None
            assert theirs is not None
            assert ours.reigns[0].champion.hotkey == theirs.reigns[0].champion.hotkey
            assert ours.reigns[0].advance == theirs.reigns[0].advance
        assert live.search("team1/").submissions
        assert live.competition(CompetitionId(99)) is None


def test_characters_of_an_address_cannot_lead_elsewhere(server: Server) -> None:
    assert at(server).document("/miners/a b?c#d\n") is None
    assert server.asked == [
        "/api/v1/miners/a%20b%3Fc%23d%0A",
        "/api/v1/miners/a%20b%3Fc%23d%0A.json",
    ]


def test_a_document_that_is_too_large_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAX_BYTES", 2**20)
    server.answers["/api/v1/overview"] = status(200, b"x" * (2**20 + 1))
    with pytest.raises(LeaderboardRefused, match="larger than 1 MiB"):
        at(server).document("/overview")


def test_a_server_that_dribbles_is_given_up_in_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "FETCH_TIMEOUT_S", 0.5)
    closed = threading.Event()

    def dribble(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        try:
            while not closed.is_set():
                handler.wfile.write(b"X-More: 1\r\n")
                closed.wait(0.02)
        except OSError:
            pass

    server.answers["/api/v1/overview"] = dribble
    began_s = time.monotonic()
    with pytest.raises(LeaderboardUnavailable, match=r"not complete after|broken answer"):
        at(server).document("/overview")
    assert time.monotonic() - began_s < 10
    closed.set()


def test_redirects_stay_on_the_host(server: Server) -> None:
    server.answers["/api/v1/overview"] = status(302, Location="/moved")
    server.answers["/moved"] = status(200, b"{}")
    assert at(server).document("/overview") == b"{}"
    for place in ("http://localhost:1/", "http://169.254.169.254/", "file:///etc/passwd"):
        server.answers["/api/v1/overview"] = status(302, Location=place)
        with pytest.raises((LeaderboardRefused, LeaderboardUnavailable)) as raised:
            at(server).document("/overview")
        assert "\n" not in str(raised.value)
    assert server.asked[-1] == "/api/v1/overview"


def test_a_redirect_to_another_kind_of_address_is_refused(server: Server) -> None:
    server.answers["/api/v1/overview"] = status(302, Location="ftp://127.0.0.1:1/overview")
    with pytest.raises(LeaderboardRefused, match="the server redirects to ftp:"):
        at(server).document("/overview")


def test_redirects_end(server: Server) -> None:
    server.answers["/api/v1/overview"] = status(302, Location="/api/v1/overview")
    with pytest.raises(LeaderboardUnavailable, match="302"):
        at(server).document("/overview")


@pytest.mark.parametrize("code", [403, 429, 500, 503])
def test_a_server_that_fails_is_unavailable(server: Server, code: int) -> None:
    server.answers["/api/v1/overview"] = status(code)
    with pytest.raises(LeaderboardUnavailable, match=f"the server answers {code}"):
        at(server).document("/overview")


def test_a_server_that_is_not_there_is_unavailable(server: Server) -> None:
    server.close()
    with pytest.raises(LeaderboardUnavailable, match="refused"):
        at(server).document("/overview")


@pytest.mark.parametrize(
    "address",
    [
        "example.org",
        "ftp://example.org",
        "file:///etc",
        "http://",
        "http://user:pass@example.org",
        "http://example.org/?x=1",
        "http://example.org:port",
        "http://[::1",
        "",
    ],
)
def test_what_is_not_an_address_is_refused(address: str) -> None:
    with pytest.raises(LeaderboardRefused):
        HttpDocuments(address)
