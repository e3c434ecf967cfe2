"""Whether a process has the database open, seen without touching its lock."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sn37.adapters.sqlite import database
from sn37.adapters.sqlite.holder import is_held
from sn37.adapters.sqlite.state_store import SqliteStateStore

HOLDER = """
import asyncio, sys
from pathlib import Path
from sn37.adapters.sqlite.state_store import SqliteStateStore
store = SqliteStateStore(Path(sys.argv[1]))
asyncio.run(store.load())
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


def test_an_empty_folder_is_not_held(path: Path) -> None:
    assert is_held(path) is False


def test_a_validator_is_seen_while_it_runs_and_not_after_a_kill(path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        assert is_held(path) is True
    finally:
        process.kill()
        process.communicate()
    assert is_held(path) is False


def test_a_database_that_was_closed_is_not_held(path: Path) -> None:
    store = SqliteStateStore(path)
    asyncio.run(store.load())
    assert is_held(path) is True
    asyncio.run(store.close())
    assert is_held(path) is False  # this process has the number that the lock file names


def test_looking_does_not_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database.make_folder(path.parent)
    held = database.acquire(path)
    monkeypatch.setattr("fcntl.flock", pytest.fail)
    assert is_held(path) is True
    os.close(held)


@pytest.mark.parametrize("content", [b"", b"nobody\n", b"\xff"])
def test_a_lock_file_without_a_process_says_nothing(path: Path, content: bytes) -> None:
    database.lock_file(path).write_bytes(content)
    assert is_held(path) is None


def test_without_a_list_of_processes_it_is_not_known(path: Path, tmp_path: Path) -> None:
    database.lock_file(path).write_text("1\n")
    assert is_held(path, processes=tmp_path / "none") is None


def test_a_process_that_is_gone_does_not_hold_it(path: Path, tmp_path: Path) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    database.lock_file(path).write_text("77\n")
    assert is_held(path, processes=tmp_path / "proc") is False
