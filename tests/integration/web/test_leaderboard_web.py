"""The leaderboard over HTTP, without a browser."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from sn37.adapters.sqlite.schema import VERSION
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.leaderboard.leaderboard import Leaderboard
from sn37.app.receipts.files import read_signed
from sn37.app.web.answers import Answers
from sn37.app.web.application import web_application
from sn37.app.web.guarding import client_of
from sn37.app.web.operations import OPERATIONS, PREFIX
from sn37.testing.builders import a_commitment, a_submission
from tests.support.boards import (
    EACH,
    HOSTILE,
    HOSTILE_ROUND,
    Recorded,
    crowned,
    sync,
    two_competitions,
    write_hostile,
    write_long,
)


class Page(HTMLParser):
    """What a page has: tags, attributes, links, text, and whether every tag is closed."""

    VOID = frozenset({"meta", "link", "input", "img", "br", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def links(self) -> set[str]:
        return {a["href"] or "" for tag, a in self.tags if tag == "a" and "href" in a}


def client_for(board: Leaderboard, *, rate: float = 1e6, burst: int = 10**6) -> TestClient:
    return TestClient(web_application(board, rate=rate, burst=burst), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return asyncio.run(write_long(tmp_path_factory.mktemp("web") / "state.sqlite"))


@pytest.fixture(scope="module")
def client(record: Recorded) -> Iterator[TestClient]:
    with client_for(record.board()) as found:
        yield found


def test_every_page_that_is_linked_exists_is_well_formed_and_is_confined(
    client: TestClient,
) -> None:
    seen, waiting = set[str](), ["/", "/search?q=team"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = client.get(path)
        assert answer.status_code == 200, path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "set-cookie" not in answer.headers
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        page = Page(answer.text)
        assert not any("style" in a or a.keys() & {"onclick", "onload"} for _, a in page.tags)
        scripts = [attributes["src"] for tag, attributes in page.tags if tag == "script"]
        assert scripts == ["/assets/live.js"]
        heads = [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert heads.count("h1") == 1
        assert heads[0] == "h1"
        assert all(link.startswith(("/", "#")) for link in page.links()), path
        waiting += [link for link in page.links() if link.startswith("/")]
    assert len(seen) > 2 * EACH  # every round and every submission


def test_the_overview_names_champion_gain_and_next_round(
    client: TestClient, record: Recorded
) -> None:
    words = Page(client.get("/").text).words
    for said in ("FIRST", "team1/model-v1", "70%", "±", f"{sync(EACH, record.schedule):,}"):
        assert said in words


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/competitions/99",
        "/competitions/x",
        "/competitions/-1",
        "/competitions/1/rounds/7",
        "/competitions/1/rounds/99999999999999999999999",
        "/competitions/1?page=x",
        "/submissions/nobody/5",
        f"/submissions/{'x' * 200}/5",
        "/miners/nobody",
        "/miners/..%2f..%2fetc",
        "/assets/..%2fapplication.py",
        "/assets/nope.js",
        "/search?q=" + "x" * 300,
    ],
)
def test_unknown_addresses_are_a_page_with_one_line(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    page = Page(answer.text)
    assert "Not found" in page.words
    assert "/" in page.links()
    assert "content-security-policy" in answer.headers


def test_only_reading_is_allowed(client: TestClient) -> None:
    assert client.post("/").status_code == 405
    assert client.delete("/api/v1/overview").status_code == 405
    assert client.head("/").status_code == 200


# --- the interface ------------------------------------------------------------------------------


def test_the_description_has_every_operation_and_a_shape_for_each(client: TestClient) -> None:
    description = client.get(f"{PREFIX}/openapi.json").json()
    assert set(description["paths"]) == {f"{PREFIX}{o.path}" for o in OPERATIONS}
    overview = description["paths"][f"{PREFIX}/overview"]["get"]["responses"]["200"]
    shape = overview["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert set(description["components"]["schemas"][shape]["properties"]) == set(
        client.get(f"{PREFIX}/overview").json()
    )
    listed = Page(client.get("/api").text).words
    assert all(operation.path in listed for operation in OPERATIONS)


def test_the_interface_has_what_the_pages_show(client: TestClient, record: Recorded) -> None:
    overview = client.get(f"{PREFIX}/overview")
    assert overview.headers["access-control-allow-origin"] == "*"
    first = overview.json()["competitions"][0]
    assert first["champion"]["hotkey"] == crowned(1)
    assert first["since"]["block"] == sync(30, record.schedule)
    committed = first["champion"]["committed"]["block"]
    one = client.get(f"{PREFIX}/submissions/{crowned(1)}/{committed}").json()
    assert one["stage"] == "champion"
    assert one["evidence"]["points"][-1]["evidence"] == pytest.approx(first["advance"]["evidence"])
    found = client.get(f"{PREFIX}/submissions", params={"search": "team1/"}).json()
    assert {s["model"]["repo"] for s in found["submissions"]} == {"team1/model-v1"}


def test_lists_are_paged_and_have_everything_once(client: TestClient) -> None:
    first = client.get(f"{PREFIX}/submissions").json()
    seen = [
        (s["model"]["hotkey"], s["model"]["committed"]["block"])
        for number in range(1, first["page"]["num_pages"] + 1)
        for s in client.get(f"{PREFIX}/submissions?page={number}").json()["submissions"]
    ]
    assert len(seen) == len(set(seen)) == first["page"]["num_items"]


def test_an_unchanged_answer_is_not_sent_again(client: TestClient) -> None:
    for path in ("/", "/about", "/assets/style.css", f"{PREFIX}/overview"):
        etag = client.get(path).headers["etag"]
        again = client.get(path, headers={"if-none-match": etag})
        assert (again.status_code, again.content) == (304, b"")
        other = client.get(path, headers={"if-none-match": '"other"'})
        assert other.status_code == 200


def test_answers_are_compressed_for_those_who_ask(client: TestClient) -> None:
    packed = client.get("/", headers={"accept-encoding": "gzip"})
    plain = client.get("/", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert int(packed.headers["content-length"]) < len(plain.content) / 2


def test_an_answer_that_many_want_at_once_is_made_once() -> None:
    made: list[bytes] = []

    def make() -> bytes:
        made.append(b"page")
        return made[-1]

    async def ask() -> list[bytes]:
        answers, request = Answers(lambda: "stamp"), Request({"type": "http", "headers": []})
        found = await asyncio.gather(
            *(answers.get(request, ("key",), make, "text/plain") for _ in range(20))
        )
        return [bytes(answer.body) for answer in found]

    assert asyncio.run(ask()) == 20 * [b"page"]
    assert made == [b"page"]


def test_errors_of_the_interface_are_json(client: TestClient) -> None:
    for path in (
        "/nope",
        "/competitions/x",
        "/miners/nobody",
        "/competitions/1/rounds/7/statement",
    ):
        answer = client.get(f"{PREFIX}{path}")
        assert answer.status_code == 404
        assert set(answer.json()) == {"error"}


def test_a_receipt_is_downloaded_as_it_was_signed(client: TestClient, record: Recorded) -> None:
    path = f"{PREFIX}/competitions/1/rounds/{sync(EACH - 1, record.schedule)}"
    rows = client.get(path).json()["entries"]
    model = next(row["model"] for row in rows if row["has_receipt"])
    answer = client.get(f"{path}/receipts/{model['hotkey']}/{model['committed']['block']}")
    name = f"{model['hotkey']}-{model['committed']['block']}.json"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert json.loads(read_signed(answer.content).document)["text"].endswith(model["repo"])


# --- a record that changes, or cannot be read ---------------------------------------------------


def test_a_new_submission_appears_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    store = SqliteStateStore(path)
    asyncio.run(store.save_submissions([]))
    with client_for(Recorded(path, two_competitions()).board()) as client:
        assert client.get(f"{PREFIX}/submissions").json()["submissions"] == []
        asyncio.run(store.save_submissions([a_submission(a_commitment("alice", 100))]))
        (line,) = client.get(f"{PREFIX}/submissions").json()["submissions"]
        assert line["model"]["hotkey"] == "alice"
    asyncio.run(store.close())


def test_a_record_that_cannot_be_read_is_one_line_without_names_of_files(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    store = SqliteStateStore(path)
    asyncio.run(store.save_submissions([]))
    asyncio.run(store.close())
    with client_for(Recorded(path, two_competitions()).board()) as client:
        assert client.get("/").status_code == 200
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute(f"PRAGMA user_version = {VERSION + 1}")
        newer = client.get("/")
        path.unlink()
        gone = client.get("/")
        assert client.get("/about").status_code == 200  # it needs no record
    for answer, said in ((newer, "newer version"), (gone, "cannot be read now")):
        assert answer.status_code == 503
        assert said in answer.text
        assert str(tmp_path) not in answer.text
        assert "Traceback" not in answer.text


def test_a_fault_of_ours_is_a_page_without_a_traceback(
    record: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = record.board()
    monkeypatch.setattr(board, "overview", lambda: 1 / 0)
    with client_for(board) as client:
        page, document = client.get("/"), client.get(f"{PREFIX}/overview")
    for answer in (page, document):
        assert answer.status_code == 500
        assert "fault of ours" in answer.text
        assert "division" not in answer.text
        assert "content-security-policy" in answer.headers


# --- limits -------------------------------------------------------------------------------------


def test_a_client_that_asks_too_much_waits_and_others_do_not(record: Recorded) -> None:
    app = web_application(record.board(), rate=0.01, burst=3)
    with TestClient(app, client=("192.0.2.1", 1)) as greedy:
        codes = [greedy.get("/about").status_code for _ in range(5)]
        refused = greedy.get("/about")
    assert codes == [200, 200, 200, 429, 429]
    assert refused.headers["retry-after"] == "100"
    with TestClient(app, client=("192.0.2.2", 1)) as other:
        assert other.get("/about").status_code == 200


def test_a_client_of_ipv6_is_its_household() -> None:
    first, second, other = (
        client_of({"type": "http", "client": (address, 1)})
        for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    )
    assert first == second != other
    assert client_of({"type": "http", "client": None}) == "unknown"


# --- texts of strangers -------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_texts_of_strangers_stay_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.sqlite"
    store = SqliteStateStore(path)
    hotkey = "5" + re.sub(r"[\x00/]", "", text)[:100]
    key = asyncio.run(write_hostile(store, text, hotkey=hotkey))
    tags = {"script", "img"}
    with client_for(Recorded(path, two_competitions()).board()) as client:
        plain = [t for t, _ in Page(client.get("/about").text).tags if t in tags]
        own = f"/submissions/{quote(key.hotkey)}/{key.block}"
        block = HOSTILE_ROUND.sync_block
        for page in (
            "/",
            "/competitions/1",
            f"/competitions/1/rounds/{block}",
            "/submissions",
            own,
        ):
            answer = client.get(page)
            assert answer.status_code == 200, page
            assert [t for t, _ in Page(answer.text).tags if t in tags] == plain
            assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f]", answer.text)
            assert len(answer.content) < 60_000
    asyncio.run(store.close())
