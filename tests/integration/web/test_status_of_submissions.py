"""``sn37 status HOTKEY``: from a state folder, and from a leaderboard that somebody serves."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.domain.ids import Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import (
    a_commitment,
    a_round_key,
    a_round_result,
    a_submission,
    an_entry_result,
)
from tests.support.boards import HOSTILE, served, write_hostile

WAITING = a_commitment(Hotkey("5" + "W" * 47), 300)
CHAMPION = a_commitment(Hotkey("5" + "C" * 47), 200)
NOBODY = "5" + "N" * 47


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of simnet: one hotkey is champion, another waits, a third is hostile."""
    folder = tmp_path_factory.mktemp("status")
    (folder / "simnet").mkdir()
    store = SqliteStateStore(folder / "state.sqlite")

    async def record() -> None:
        await store.save_submissions([a_submission(WAITING), a_submission(CHAMPION)])
        queued = an_entry_result(
            WAITING.key, verdict=Verdict.WAITING, reason=Reason.QUEUED, detail="behind 3 others"
        )
        rows = (an_entry_result(CHAMPION.key, score=0.9), queued)
        result = a_round_result(a_round_key(1, 720), champion=CHAMPION.key, entries=rows)
        await store.finish_round(result)
        for number, text in enumerate(HOSTILE):
            hotkey = f"5{chr(ord('a') + number) * 47}"
            await write_hostile(store, text, hotkey=hotkey, key=a_round_key(2, 1_080 + number))
        await store.close()

    asyncio.run(record())
    return folder


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(root.app, ["status", "--network", "simnet", *arguments], prog_name="sn37")
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_a_waiting_submission_has_its_reason_and_its_place(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, WAITING.hotkey, "--state-dir", str(state_dir))
    assert (code, err) == (0, "")
    assert "status      waiting: it may be scored in a later round" in out
    assert "reason      queued: eligible, but behind others in the queue" in out
    assert "finding     behind 3 others" in out
    assert "queue       place 1 of 1, expected in the round of block " in out
    assert "720         waiting    queued                -" in out


def test_a_champion_has_its_score(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, CHAMPION.hotkey, "--state-dir", str(state_dir))
    assert "status      champion: it holds the crown of its competition" in out
    assert "next        keep it public" in out
    assert "score       0.9000 on " in out


def test_a_leaderboard_says_the_same_as_the_record_that_it_serves(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(state_dir) as (address, _):
        for hotkey in (WAITING.hotkey, CHAMPION.hotkey):
            local = call(capsys, hotkey, "--state-dir", str(state_dir))
            said = f"{address} says so; nothing of it was checked here\n"
            assert call(capsys, hotkey, "--from", address) == (*local[:2], said)
            local = call(capsys, hotkey, "--json", "--state-dir", str(state_dir))
            remote = call(capsys, hotkey, "--json", "--from", address)
            assert json.loads(remote[1]) == json.loads(local[1])
        code, out, _ = call(capsys, NOBODY, "--from", address)
        assert (code, out) == (1, f"{NOBODY} has no submission in the record of {address}\n")


def test_a_hotkey_that_is_not_recorded_is_one_line(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, NOBODY, "--state-dir", str(state_dir))
    assert (code, out) == (1, f"{NOBODY} has no submission in the record of {state_dir}\n")
    code, out, _ = call(capsys, NOBODY, "--json", "--state-dir", str(state_dir))
    assert (code, out) == (1, "null\n")


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_texts_of_strangers_cannot_break_lines(
    state_dir: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    hotkey = f"5{chr(ord('a') + number) * 47}"
    code, out, _ = call(capsys, hotkey, "--state-dir", str(state_dir))
    assert code == 0
    for line in out.splitlines():
        assert line.isprintable()
        assert len(line) < 1_000


class _Hostile(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:  # the library's name
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), type("Handler", (_Hostile,), {"body": body}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    "body", [b"", b"\x1b[31m", b"[]", b"{}", b'{"hotkey": "\\u001b[2J\\n"}', b"[" * 100_000]
)
def test_a_server_that_is_not_a_leaderboard_gets_one_line(
    capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    with answering(body) as address:
        code, out, err = call(capsys, NOBODY, "--from", address)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()


@pytest.mark.parametrize("address", ["nowhere", "ftp://example.org", "http://", "http://a b/"])
def test_an_address_of_another_form_is_one_line(
    capsys: pytest.CaptureFixture[str], address: str
) -> None:
    code, _, err = call(capsys, NOBODY, "--from", address)
    assert code in (1, 2)
    assert err.startswith("error: ")
    assert err.count("\n") == 1
