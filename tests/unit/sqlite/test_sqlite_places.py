"""Databases in places where they cannot be, or can only be read."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sn37.adapters.sqlite import maintenance
from sn37.adapters.sqlite import read_only as reading
from sn37.adapters.sqlite import schema_version as versions
from sn37.adapters.sqlite.database import lock_file
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.ports.errors import StateUnavailable
from sn37.testing.builders import a_commitment, a_submission


def start(path: Path) -> None:
    """As a validator does."""

    async def go() -> None:
        store = SqliteStateStore(path)
        try:
            await store.save_submissions([a_submission(a_commitment("alice", 100))])
        finally:
            await store.close()

    asyncio.run(go())


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound" / "state.sqlite"
    start(path)
    return path


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (a_folder, "is a folder; move it away"),
        (a_pipe, "is not an ordinary file; move it away"),
        (a_loop, ": Too many levels of symbolic links"),
    ],
)
class TestSomethingElse:
    @pytest.mark.parametrize(
        "use",
        [
            reading.read_state,
            maintenance.verify,
            maintenance.compact,
            versions.schema_version,
            versions.migrate,
            start,
        ],
    )
    def test_is_named_by_whoever_wants_the_database(
        self, made: Callable[[Path], None], said: str, use: Callable[[Path], object], tmp_path: Path
    ) -> None:
        made(path := tmp_path / "state.sqlite")
        with pytest.raises(StateUnavailable, match=rf"{path}.?{said}"):
            use(path)

    def test_is_not_replaced(
        self, made: Callable[[Path], None], said: str, sound: Path, tmp_path: Path
    ) -> None:
        made(path := tmp_path / "state.sqlite")
        with pytest.raises(StateUnavailable, match=said):
            maintenance.restore(sound, path)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["sound", "state.sqlite"]


@pytest.mark.parametrize("use", [start, maintenance.compact])
def test_a_folder_in_place_of_the_lock_is_named(use: Callable[[Path], object], sound: Path) -> None:
    lock_file(sound).unlink()
    lock_file(sound).mkdir()
    with pytest.raises(StateUnavailable, match=rf"^{lock_file(sound)}: Is a directory$"):
        use(sound)


def test_a_lock_that_may_not_be_looked_at_is_named(
    sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StateUnavailable, match=rf"^{lock_file(sound)}: Permission denied$"):
        maintenance.in_use(sound)


@pytest.mark.parametrize("below", ["", "sub/dir"])
def test_a_file_in_place_of_the_folder_is_named(below: str, sound: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / below / "state.sqlite"
    for use in (start, lambda path: maintenance.restore(sound, path)):
        with pytest.raises(
            StateUnavailable, match=rf"^{tmp_path / 'file'} is not a folder; move it"
        ):
            use(path)


class TestAFolderThatCannotBeWritten:
    @pytest.fixture(autouse=True)
    def _read_only(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        allowed = os.access
        monkeypatch.setattr(
            os, "access", lambda path, mode: path != sound.parent and allowed(path, mode)
        )

    def test_a_whole_copy_is_read_and_nothing_is_put_beside_it(self, sound: Path) -> None:
        before = sorted(sound.parent.iterdir())
        with reading.reading(sound) as db:
            assert db.execute("SELECT count(*) FROM submission").fetchone() == (1,)
            assert sorted(sound.parent.iterdir()) == before
        assert maintenance.verify(sound).rows["submission"] == 1

    def test_a_copy_whose_newest_writes_are_beside_it_is_refused(
        self, sound: Path, tmp_path: Path
    ) -> None:
        sound.with_name("state.sqlite-wal").write_bytes(b"frames")
        with pytest.raises(StateUnavailable, match=r"newest writes are in state\.sqlite-wal, and"):
            maintenance.verify(sound)

    def test_one_that_a_validator_is_using_is_read_with_its_newest_writes(
        self, sound: Path
    ) -> None:
        with closing(sqlite3.connect(sound, isolation_level=None)) as validator:
            validator.execute("DELETE FROM submission")
            assert maintenance.verify(sound).rows["submission"] == 0
