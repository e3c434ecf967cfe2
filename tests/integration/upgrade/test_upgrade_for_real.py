"""Real environments, a real service, real kills: from one release to the next, and back."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sn37.adapters.releases.folder import InstallFolder
from sn37.adapters.releases.installer import PipInstaller
from sn37.adapters.sqlite.schema import VERSION
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.domain.release.upgrade import Phase
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable
from sn37.testing.builders import a_commitment, a_submission
from tests.integration.upgrade.shelf import Shelf
from tests.integration.upgrade.wheels import a_wheel, unpack

HERE = Path(__file__).parent


def migrates(*tables: str) -> dict[str, tuple[str, str]]:
    """A release whose state has further tables, one a version."""
    further = ", ".join(f'("CREATE TABLE {table} (id INTEGER)",)' for table in tables)
    old = "VERSION = len(MIGRATIONS)"
    return {"adapters/sqlite/schema.py": (old, f"MIGRATIONS = (*MIGRATIONS, {further})\n{old}")}


NEVER_READY = {"app/supervision/health.py": ("MAX_HEAD_AGE_S = 600.0", "MAX_HEAD_AGE_S = -1.0")}


class Operator:
    """Somebody with an installation, a service that runs, and a command line."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state_file = root / "state" / "state.sqlite"
        self.service = root / "service"
        self.shelf = Shelf(root / "shelf")
        (root / "install" / "releases").mkdir(parents=True)
        for folder in (self.shelf.folder, self.service, self.state_file.parent):
            folder.mkdir()
        self.shelf.open()
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.installation = InstallFolder(root / "install")
        unpack(a_wheel("0.1.0", {}), self.installation.folder("0.1.0"))
        self.installation.point_at("0.1.0")
        python = str(root / "install" / "current" / "bin" / "python")
        program = str(HERE / "small_validator.py")
        command = [python, "-I", program, str(self.state_file), str(self.port)]
        (self.service / "command").write_text(json.dumps(command))
        self.manager = root / "manager"
        self.manager.write_text(
            f'#!/bin/sh\nexec {sys.executable} -IS {HERE / "small_manager.py"} "$@"\n'
        )
        self.manager.chmod(0o755)

    def manage(self, verb: str) -> None:
        subprocess.run([self.manager, verb, self.service], check=True, timeout=60)

    def call(self, *words: str) -> subprocess.Popen[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SN37_")},
            "SN37_RELEASE_ROOT": str(self.shelf.root),
            "SN37_INSTALL_DIR": str(self.root / "install"),
            "SN37_STATE_DIR": str(self.state_file.parent),
            "SN37_HEALTH": f"127.0.0.1:{self.port}",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "sn37.app.main", "upgrade", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )

    def run(self, *words: str) -> tuple[int, str]:
        with self.call(*words) as process:
            said, _ = process.communicate(timeout=120)
            return process.returncode, said

    def switching(self, version: str) -> Sequence[str]:
        return (
            *("switch", version, "--settle", "0.02", "--deadline", "0.05"),
            *("--manager", str(self.manager), "--service", str(self.service)),
        )

    def page(self) -> dict[str, object]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", "/readyz")
            found: dict[str, object] = json.loads(connection.getresponse().read())
            return found

    def submissions(self) -> int:
        with closing(sqlite3.connect(self.state_file)) as db:
            return int(db.execute("SELECT count(*) FROM submission").fetchone()[0])

    def schema(self) -> int:
        with closing(sqlite3.connect(self.state_file)) as db:
            return int(db.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    operator = Operator(tmp_path_factory.mktemp("operator"))

    async def fill() -> None:
        store = SqliteStateStore(operator.state_file)
        await store.save_submissions(
            [a_submission(a_commitment(name)) for name in ("alice", "bob")]
        )
        await store.close()

    asyncio.run(fill())
    operator.manage("start")
    try:
        yield operator
    finally:
        operator.manage("stop")


def test_a_release_is_staged_switched_to_through_kills_and_a_bad_one_returned_from(
    operator: Operator,
) -> None:
    """One test, because environments and processes cost seconds: three releases, one state."""
    release = replace(
        operator.shelf.release("0.2.0", wheel=a_wheel("0.2.0", migrates("more"))),
        schema=VERSION + 1,
    )
    code, said = operator.run("stage", str(operator.shelf.put(release)))
    assert code == 0, said
    assert (operator.page()["version"], operator.schema()) == ("0.1.0", VERSION)
    assert sorted(p.name for p in operator.state_file.parent.glob("upgrade-*")) == []

    for moment in ("0.1.0: stopping", "state copied", "0.2.0: starting", "0.2.0: healthy"):
        with operator.call(*operator.switching("0.2.0")) as process:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if line.startswith(moment):
                    process.kill()
                    break
            else:
                pytest.fail(f"it never said {moment}, but: {said}")
        switch = operator.installation.switch()
        assert switch is not None
        assert not switch.phase.is_over
    code, said = operator.run(*operator.switching("0.2.0"))
    assert (code, said.splitlines()[-1]) == (
        0,
        "0.2.0 runs; sn37 upgrade return goes back to 0.1.0",
    ), said
    assert operator.page()["version"] == "0.2.0"
    assert (operator.schema(), operator.submissions()) == (VERSION + 1, 2)

    bad = replace(operator.shelf.release("0.3.0", wheel=b"never read"), schema=VERSION + 2)
    wheel = a_wheel("0.3.0", {**NEVER_READY, **migrates("more", "yet")})
    unpack(wheel, operator.installation.begin("0.3.0"))
    document = operator.shelf.put(bad)
    assert operator.run("check", str(document))[0] == 0
    operator.installation.complete("0.3.0", document.read_bytes())
    code, said = operator.run(*operator.switching("0.3.0"))
    assert code == 1, said
    assert "error: release 0.3.0: not healthy for 1 s within 3 s" in said.splitlines()[-1]
    assert "0.2.0 runs again" in said.splitlines()[-1]
    assert operator.page()["version"] == "0.2.0"
    assert (operator.schema(), operator.submissions()) == (VERSION + 1, 2)
    newest = operator.installation.switch()
    assert newest is not None
    assert newest.phase is Phase.RETURNED
    assert operator.state_file.with_name("state.sqlite.replaced-1").exists()

    code, said = operator.run("status")
    assert (code, said.splitlines()[:2]) == (0, ["0.2.0  current", "0.3.0"])


RUN_IT = """
import sys
from pathlib import Path
from sn37.adapters.releases.installer import PipInstaller
folder = Path(sys.argv[1])
PipInstaller(state_dir=folder, settings={}).run(folder)
"""


class TestInstaller:
    def test_a_package_that_is_not_what_was_signed_for_is_refused(
        self, shelf: Shelf, tmp_path: Path
    ) -> None:
        release = shelf.release(wheel=a_wheel("0.2.0", {}))
        changed = tmp_path / "changed"
        changed.mkdir()
        for name in (release.wheel.name, release.requirements.name):
            (changed / name).write_bytes((shelf.folder / name).read_bytes())
        with (changed / release.wheel.name).open("ab") as file:
            file.write(b"more")
        installer = PipInstaller(state_dir=tmp_path, settings={})
        with pytest.raises(ReleaseRefused, match="not the signed one"):
            installer.install(tmp_path / "environment", release, changed)

    def test_programs_run_as_the_owner_of_the_state_and_in_their_own_environment_only(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYTHONPATH", "/elsewhere")
        with TemporaryDirectory() as name:  # one of pytest's is closed to others
            folder = Path(name)
            folder.chmod(0o755)
            state_dir, python = folder / "state", folder / "bin" / "python"
            state_dir.mkdir()
            python.parent.mkdir()
            python.write_text('#!/bin/sh\nid -u; echo "$PYTHONPATH" $SN37_STATE_DIR "$@"\n')
            python.chmod(0o755)
            if os.geteuid() == 0:
                os.chown(state_dir, 65534, 65534)
            settings = {"SN37_STATE_DIR": str(state_dir)}
            installer = PipInstaller(state_dir=state_dir, settings=settings)
            code, said = installer.run(folder, "state", "verify")
            with installer.scratch() as scratch:
                assert scratch.stat().st_uid == state_dir.stat().st_uid
            assert list(state_dir.iterdir()) == []
            uid = state_dir.stat().st_uid
        assert (code, said) == (0, f"{uid}\n {state_dir} -I -m sn37.app.main state verify\n")

    def test_a_program_dies_with_a_killed_upgrade_and_changes_nothing_behind_its_back(
        self, tmp_path: Path
    ) -> None:
        python, told = tmp_path / "bin" / "python", tmp_path / "told"
        python.parent.mkdir()
        os.mkfifo(told)
        python.write_text(f"#!/bin/sh\necho $$ > {told}\nexec sleep 600\n")
        python.chmod(0o755)
        with subprocess.Popen([sys.executable, "-c", RUN_IT, str(tmp_path)]) as upgrade:
            program = os.pidfd_open(int(told.read_text()))
            upgrade.kill()
        try:
            assert select.select([program], [], [], 60)[0], "it lives on"
        finally:
            os.close(program)

    def test_a_program_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        installer = PipInstaller(state_dir=tmp_path, settings={})
        with pytest.raises(ReleaseUnavailable, match="No such file"):
            installer.run(tmp_path / "none", "--version")
