"""``sn37 leaderboard``: the command that serves the pages, or writes them as files."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from sn37.adapters.signatures import is_signed_by
from sn37.adapters.simnet.chain.keys import SimnetSigner, keypair
from sn37.adapters.simnet.chain.schema import GENESIS_TIME, create_file
from sn37.adapters.sqlite.schema import VERSION
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.app.config.settings import load_settings
from sn37.app.receipts.files import read_signed
from sn37.app.receipts.signing import is_signed
from sn37.app.web.static_site import NotOurFolderError, write_site
from sn37.app.wiring.leaderboard import open_leaderboard
from sn37.testing.builders import a_commitment, a_submission
from tests.support.boards import Recorded, crowned, served, write_long


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("command")
    (folder / "simnet").mkdir()
    return asyncio.run(write_long(folder / "state.sqlite"))


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(root.app, ["leaderboard", "--network", "simnet", *arguments], prog_name="sn37")
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_it_prints_its_address_serves_and_stops_on_sigterm(record: Recorded) -> None:
    with served(record.path.parent) as (address, process):
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert b"Who leads" in answer.read()
        stream = urllib.request.urlopen(f"{address}/events", timeout=30)  # an open page
        assert stream.readline() == b"retry: 3000\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        stream.close()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_an_open_page_learns_of_changes(record: Recorded) -> None:
    with served(record.path.parent) as (address, _):
        stream = urllib.request.urlopen(f"{address}/events", timeout=30)
        assert stream.readline() == b"retry: 3000\n"
        assert stream.readline() == b"\n"
        store = SqliteStateStore(record.path)
        asyncio.run(store.save_submissions([a_submission(a_commitment("late", 77))]))
        asyncio.run(store.close())
        assert stream.readline() == b"event: changed\n"
        stream.close()


@pytest.mark.parametrize("listen", ["nowhere", "127.0.0.1", "127.0.0.1:x"])
def test_an_address_of_another_form_is_refused(
    record: Recorded, capsys: pytest.CaptureFixture[str], listen: str
) -> None:
    code, _, err = call(capsys, "--state-dir", str(record.path.parent), "--listen", listen)
    assert code == 2
    assert err.startswith("error: --listen ")
    assert err.count("\n") == 1


def test_an_address_in_use_is_one_line(
    record: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(record.path.parent) as (address, _):
        place = address.removeprefix("http://")
        code, _, err = call(capsys, "--state-dir", str(record.path.parent), "--listen", place)
    assert code == 1
    assert "in use; choose another address" in err
    assert err.count("\n") == 1


def test_an_unknown_host_is_one_line(record: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(record.path.parent)
    code, _, err = call(capsys, "--state-dir", folder, "--listen", "nohost.invalid:80")
    assert code == 1
    assert err == (
        "error: --listen nohost.invalid:80: this host is not known; choose another address\n"
    )


def test_without_a_record_it_says_where_to_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "--state-dir", str(tmp_path), "--listen", "127.0.0.1:0")
    assert code == 1
    assert "no validator has run in" in err
    assert err.count("\n") == 1


def test_a_newer_record_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "simnet").mkdir()
    store = SqliteStateStore(tmp_path / "state.sqlite")
    asyncio.run(store.save_submissions([]))
    asyncio.run(store.close())
    with closing(sqlite3.connect(tmp_path / "state.sqlite", isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    code, _, err = call(capsys, "--state-dir", str(tmp_path), "--listen", "127.0.0.1:0")
    assert code == 1
    assert "upgrade sn37" in err
    assert err.count("\n") == 1


def test_times_of_a_simulated_network_are_those_of_its_chain(record: Recorded) -> None:
    settings = load_settings({"network": "simnet", "state_dir": record.path.parent})
    board = open_leaderboard(settings)

    def time_of_block_0() -> datetime:
        newest = board.overview().newest
        assert newest is not None
        assert newest.at is not None
        return newest.at - timedelta(seconds=12 * newest.block)

    assert time_of_block_0() == GENESIS_TIME  # a validator with --leaderboard has no chain yet
    start = datetime(2026, 3, 1, tzinfo=UTC)
    create_file(settings.simnet_chain_file, seed=0, genesis_time=start, head=0)
    assert time_of_block_0() == start
    settings.simnet_chain_file.unlink()


def test_the_pages_of_simnet_need_neither_the_sdk_nor_what_scores_models() -> None:
    hide = "import sys; sys.modules |= dict.fromkeys(('bittensor', 'torch', 'blake3'))"
    use = "from sn37.app.wiring.leaderboard import open_leaderboard"
    subprocess.run([sys.executable, "-c", f"{hide}; {use}"], check=True)


# --- the site as files --------------------------------------------------------------------------


def test_the_written_site_is_whole_and_every_link_leads_to_a_file(
    record: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "site"
    code, out, err = call(capsys, "--state-dir", str(record.path.parent), "--static", str(folder))
    assert (code, err) == (0, "")
    assert "not signed" in out
    pages = list(folder.rglob("*.html"))
    assert len(pages) > 100
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<form" not in text
        assert "live.js" not in text
        for link in re.findall(r'(?:href|src)="([^"]*)"', text):
            target = link.partition("#")[0]
            assert not link.startswith("/"), link
            assert not target or (page.parent / target).resolve().is_file(), (page, link)
    overview = json.loads((folder / "api/v1/overview.json").read_bytes())
    assert overview["competitions"][0]["champion"]["hotkey"] == crowned(1)


def test_the_digests_are_of_every_file_and_signed(record: Recorded, tmp_path: Path) -> None:
    folder, signer = tmp_path / "site", SimnetSigner(keypair(0, "leaderboard"))
    written = write_site(record.board(), folder, signer)
    assert written.is_signed
    signed = read_signed((folder / "digests.json").read_bytes())
    assert signed.hotkey == signer.hotkey
    assert is_signed(signed, is_signed_by)
    listed = json.loads(signed.document)["files"]
    there = {
        str(file.relative_to(folder)): sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and file.name not in ("digests.json", ".sn37-leaderboard")
    }
    assert listed == there
    assert written.num_files == len(there) + 1


@pytest.mark.parametrize("name", ["site.old", "site.partial"])
def test_a_folder_of_someone_else_beside_a_site_is_kept(
    record: Recorded, tmp_path: Path, name: str
) -> None:
    write_site(record.board(), tmp_path / "site", None)
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").touch()
    with pytest.raises(NotOurFolderError, match=rf"{name} has other files"):
        write_site(record.board(), tmp_path / "site", None)
    assert (tmp_path / name / "thesis.txt").exists()


def test_a_site_is_replaced_and_another_folder_is_not(record: Recorded, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write_site(record.board(), folder, None)
    (folder / "old.html").touch()
    write_site(record.board(), folder, None)
    assert not (folder / "old.html").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["site"]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(NotOurFolderError, match="name a new folder"):
        write_site(record.board(), mine, None)
    assert (mine / "thesis.txt").read_text() == "years of work"
    with pytest.raises(NotOurFolderError, match="is a file; name a new folder"):
        write_site(record.board(), mine / "thesis.txt", None)


def test_a_page_never_delays_a_writer(record: Recorded) -> None:
    """A reader that holds its snapshot while the validator writes, on one thread."""
    board, store = record.board(), SqliteStateStore(record.path)
    submission = a_submission(a_commitment("quick", 78))
    asyncio.run(store.save_submissions([submission]))
    with board._record.snapshot() as snapshot:
        before = snapshot.num_submissions(None)
        began_s = time.monotonic()
        asyncio.run(store.save_submissions([a_submission(a_commitment("quick", 79))]))
        assert time.monotonic() - began_s < 4  # a lock would be waited for for five seconds
        assert snapshot.num_submissions(None) == before
    asyncio.run(store.close())
