"""Checking, copying, restoring and compacting a state database."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pytest_mock import MockerFixture
from typer.testing import CliRunner

from sn37.adapters.sqlite import maintenance
from sn37.adapters.sqlite import schema_version as versions
from sn37.adapters.sqlite.database import Access, Database
from sn37.adapters.sqlite.schema import VERSION
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.domain.ids import TaskName
from sn37.domain.round.state import ValidatorState
from sn37.ports.errors import StateUnavailable, StateUnreadable
from sn37.testing.builders import (
    a_commitment,
    a_pool,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_signed_receipt,
    a_submission,
    a_weights_record,
    an_entry_key,
    an_outcome,
    losses,
)

ALICE = an_entry_key("alice", 100)
ROUND = a_round_key(1, 720)


async def record_a_round(store: SqliteStateStore) -> None:
    await store.save_submissions([a_submission(a_commitment("alice", 100))])
    await store.freeze_pools(ROUND, {TaskName("text"): a_pool()})
    await store.open_round(a_round_plan(ROUND, champion=ALICE, entries=(ALICE,)))
    await store.append(ROUND, ALICE, losses(*(n / 16 for n in range(16))))
    await store.finish_entry(ROUND, an_outcome(ALICE), a_signed_receipt())
    await store.finish_round(a_round_result(ROUND))
    await store.record_weights(a_weights_record(720))


def write(path: Path, steps: Callable[[SqliteStateStore], object] = record_a_round) -> None:
    async def go() -> None:
        store = SqliteStateStore(path)
        await steps(store)  # type: ignore[misc]
        await store.close()

    asyncio.run(go())


def state_of(path: Path) -> ValidatorState:
    async def go() -> ValidatorState:
        store = SqliteStateStore(path)
        try:
            return await store.load()
        finally:
            await store.close()

    return asyncio.run(go())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.sqlite"
    write(path)
    return path


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


class TestVerify:
    def test_a_sound_database_is_counted(self, path: Path) -> None:
        contents = maintenance.verify(path)
        assert (contents.version, contents.newest_round) == (VERSION, 720)
        assert contents.rows == {
            "submission": 1,
            "round": 1,
            "outcome": 1,
            "receipt": 1,
            "journal": 1,
            "weights": 1,
        }

    def test_an_empty_file_holds_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "state.sqlite").touch()
        assert maintenance.verify(tmp_path / "state.sqlite").version == 0

    def test_what_is_not_there_is_said_and_not_made(self, tmp_path: Path) -> None:
        with pytest.raises(StateUnavailable, match=f"^no validator has run in {tmp_path};"):
            maintenance.verify(tmp_path / "state.sqlite")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE journal SET losses = x'00'",
            "UPDATE submission SET value = '{}'",
            "UPDATE round SET result = 'nothing'",
            "UPDATE weights SET value = '[]'",
            "UPDATE receipt SET document = CAST('{' AS BLOB)",
            "UPDATE receipt SET signature = x'00'",
            "DELETE FROM round",
            "DROP TABLE weights",
        ],
    )
    def test_a_wrong_record_is_found(self, path: Path, sql: str) -> None:
        change(path, sql)
        with pytest.raises(StateUnreadable, match=r"state\.sqlite"):
            maintenance.verify(path)

    def test_a_damaged_page_is_found(self, path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[4096:] = random.Random(1).randbytes(len(content) - 4096)
        path.write_bytes(content)
        with pytest.raises(StateUnreadable):
            maintenance.verify(path)

    def test_a_newer_one_asks_for_an_upgrade(self, path: Path) -> None:
        change(path, f"PRAGMA user_version = {VERSION + 1}")
        with pytest.raises(StateUnreadable, match="upgrade"):
            maintenance.verify(path)


class TestBackup:
    def test_the_copy_is_one_file_and_holds_the_same(self, path: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copies" / "monday.sqlite"
        copy.parent.mkdir()
        maintenance.backup(path, copy)
        assert [p.name for p in copy.parent.iterdir()] == ["monday.sqlite"]
        assert state_of(copy) == state_of(path)

    async def test_it_can_be_made_while_a_validator_writes(self, tmp_path: Path) -> None:
        store = SqliteStateStore(tmp_path / "state.sqlite")
        await record_a_round(store)
        maintenance.backup(tmp_path / "state.sqlite", tmp_path / "copy.sqlite")
        await store.record_weights(a_weights_record(1080))
        await store.close()
        copy = SqliteStateStore(tmp_path / "copy.sqlite")
        assert [w.sync_block for w in (await copy.load()).weights] == [720]
        await copy.close()

    def test_a_file_of_that_name_is_never_overwritten(self, path: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy.sqlite"
        copy.write_text("precious")
        with pytest.raises(StateUnavailable, match="already exists"):
            maintenance.backup(path, copy)
        assert copy.read_text() == "precious"

    def test_a_damaged_database_is_not_copied(self, path: Path, tmp_path: Path) -> None:
        change(path, "UPDATE weights SET value = '[]'")
        with pytest.raises(StateUnreadable):
            maintenance.backup(path, tmp_path / "copy.sqlite")
        assert not (tmp_path / "copy.sqlite").exists()

    def test_a_folder_that_is_not_there_is_named(self, path: Path, tmp_path: Path) -> None:
        with pytest.raises(StateUnavailable, match="nowhere: no such folder"):
            maintenance.backup(path, tmp_path / "nowhere" / "copy.sqlite")


class TestRestore:
    def test_the_copy_takes_the_place_and_the_other_is_kept(
        self, path: Path, tmp_path: Path
    ) -> None:
        copy = tmp_path / "copy.sqlite"
        maintenance.backup(path, copy)
        before = state_of(path)
        write(path, lambda store: store.record_weights(a_weights_record(1080)))
        after = state_of(path)
        aside = maintenance.restore(copy, path)
        assert aside is not None
        assert (state_of(path), state_of(aside)) == (before, after)
        assert maintenance.restore(copy, path) == path.with_name("state.sqlite.replaced-2")

    def test_killed_before_the_copy_has_its_name_it_has_lost_nothing(
        self, path: Path, tmp_path: Path, mocker: MockerFixture
    ) -> None:
        copy, killed = tmp_path / "copy.sqlite", tmp_path / "killed" / "state.sqlite"
        maintenance.backup(path, copy)
        killed.parent.mkdir()
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("UPDATE weights SET extrinsic = 'in the log only'")
            for suffix in ("", "-wal"):  # as a validator that was killed leaves them
                shutil.copy(f"{path}{suffix}", f"{killed}{suffix}")
        mocker.patch.object(maintenance, "rename_whole", side_effect=InterruptedError("killed"))
        with pytest.raises(StateUnavailable):
            maintenance.restore(copy, killed)
        (aside,) = killed.parent.glob("*replaced-1")
        for kept in (killed, aside):
            with closing(sqlite3.connect(kept)) as db:
                assert db.execute("SELECT extrinsic FROM weights").fetchone() == (
                    "in the log only",
                )

    def test_a_damaged_database_is_replaced_and_kept(self, path: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy.sqlite"
        maintenance.backup(path, copy)
        path.write_bytes(b"\xa5" * 8192)
        path.with_name("state.sqlite-wal").write_bytes(b"stale")
        aside = maintenance.restore(copy, path)
        assert aside is not None
        assert aside.read_bytes() == b"\xa5" * 8192
        assert aside.with_name(f"{aside.name}-wal").read_bytes() == b"stale"
        assert state_of(path) == state_of(copy)

    def test_into_an_empty_folder(self, path: Path, tmp_path: Path) -> None:
        assert maintenance.restore(path, tmp_path / "new" / "state.sqlite") is None
        assert state_of(tmp_path / "new" / "state.sqlite") == state_of(path)

    @pytest.mark.parametrize("content", [b"", b"no database" * 1000, None])
    def test_no_copy_at_all_changes_nothing_and_the_advice_is_about_the_copy(
        self, path: Path, tmp_path: Path, content: bytes | None
    ) -> None:
        before = state_of(path)
        if content is not None:
            (tmp_path / "copy").write_bytes(content)
        advice = "; nothing was changed; name a copy that sn37 state backup wrote$"
        with pytest.raises((StateUnreadable, StateUnavailable), match=advice) as raised:
            maintenance.restore(tmp_path / "copy", path)
        assert str(raised.value).count("; ") == 2
        assert state_of(path) == before

    def test_a_running_validator_is_not_disturbed(self, path: Path, tmp_path: Path) -> None:
        maintenance.backup(path, tmp_path / "copy")
        running = Database(path)
        running.transact(lambda c: c.execute("SELECT 1"), Access.READ)
        try:
            for forbidden in (
                lambda: maintenance.restore(tmp_path / "copy", path),
                lambda: maintenance.compact(path),
                lambda: versions.migrate(path),
            ):
                with pytest.raises(StateUnavailable, match="in use by another validator"):
                    forbidden()
        finally:
            running.close()


def test_compacting_gives_back_space_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    write(path)
    change(path, "CREATE TABLE filling AS SELECT randomblob(4000000) AS content")
    change(path, "DROP TABLE filling")
    before, after = maintenance.compact(path)
    assert before - after > 3_000_000
    assert maintenance.verify(path).rows["round"] == 1


class TestSchemaVersion:
    def test_it_is_told_also_when_it_is_newer_than_this_program(self, path: Path) -> None:
        assert versions.schema_version(path) == VERSION
        change(path, f"PRAGMA user_version = {VERSION + 7}")
        assert versions.schema_version(path) == VERSION + 7

    def test_there_is_none_where_there_is_no_database(self, tmp_path: Path) -> None:
        assert versions.schema_version(tmp_path / "none") is None

    def test_what_is_damaged_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "state.sqlite").write_bytes(b"damaged" * 1000)
        with pytest.raises(StateUnreadable):
            versions.schema_version(tmp_path / "state.sqlite")

    def test_another_program_s_database_is_refused(self, tmp_path: Path) -> None:
        change(tmp_path / "state.sqlite", "CREATE TABLE theirs (id INTEGER)")
        with pytest.raises(StateUnreadable, match="not a state database"):
            versions.schema_version(tmp_path / "state.sqlite")


class TestCommands:
    def test_back_up_verify_restore_compact(
        self, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        copy, place = str(tmp_path / "copy.sqlite"), ("--state-dir", str(path.parent))
        for words in (("backup", copy), ("verify",), ("restore", copy), ("migrate",), ("compact",)):
            assert run(main.app, ["state", *words, *place], prog_name="sn37") == 0
        told = capsys.readouterr().out.splitlines()
        assert told[0].endswith("MB, checked")
        assert ": sound, version" in told[1]
        assert told[-3].endswith("the old database is " + f"{path}.replaced-1")
        assert told[-2] == f"{path}: version {VERSION}, checked"

    def test_json(self, path: Path) -> None:
        args = ["state", "verify", "--json", "--state-dir", str(path.parent)]
        assert json.loads(CliRunner().invoke(main.app, args).stdout)["newest_round"] == 720

    def test_every_command_reports_as_json(
        self, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        copy, place = str(tmp_path / "copy.sqlite"), ("--json", "--state-dir", str(path.parent))
        said = {}
        for words in (("backup", copy), ("restore", copy), ("migrate",), ("compact",)):
            assert run(main.app, ["state", *words, *place], prog_name="sn37") == 0
            said[words[0]] = json.loads(capsys.readouterr().out)
        assert (said["backup"]["copy"], said["backup"]["newest_round"]) == (copy, 720)
        assert said["restore"]["database"] == str(path)
        assert said["restore"]["old_database"] == f"{path}.replaced-1"
        assert said["migrate"]["version"] == VERSION
        assert said["compact"]["bytes_now"] <= said["compact"]["bytes_before"]

    def test_no_state_is_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        args = ["state", "verify", "--state-dir", str(tmp_path)]
        assert run(main.app, args, prog_name="sn37") == 1
        assert capsys.readouterr().err == (
            f"error: no validator has run in {tmp_path}; name its folder with --state-dir\n"
        )


def test_a_database_is_in_use_while_a_validator_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    assert not maintenance.in_use(path)

    async def while_open() -> bool:
        store = SqliteStateStore(path)
        await store.load()
        used = maintenance.in_use(path)
        await store.close()
        return used

    assert asyncio.run(while_open())
    assert not maintenance.in_use(path)
