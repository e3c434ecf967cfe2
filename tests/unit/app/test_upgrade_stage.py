"""Staging: judged, installed, tried on a copy; whatever fails leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sn37.adapters.releases.document import read_release, write_release
from sn37.adapters.releases.folder import InstallFolder
from sn37.app.errors import CommandError
from sn37.app.upgrade.describe import describe
from sn37.app.upgrade.stage import Stager, removable
from sn37.domain.release.release import Release, ReleaseFile
from sn37.domain.release.upgrade import Phase, Switch
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HASH = f"--hash=sha256:{'0' * 64}"
OLD, NEW = "0.1.0", "0.2.0"


@dataclass
class Shop:
    """A release, a place to put it, and programs that answer as they are told."""

    root: Path
    schema: int | None = 1
    failing: list[BaseException] = field(default_factory=list)  # raised once each by the installer
    answers: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.root / "install" / "releases" / OLD).mkdir(parents=True)
        self.installation = InstallFolder(self.root / "install")
        self.installation.point_at(OLD)
        wheel = self.root / f"sn37-{NEW}-py3-none-any.whl"
        wheel.write_bytes(b"wheel")
        requirements = self.root / "requirements.txt"
        requirements.write_text(f"typer==0.29.2 {HASH}\n")
        self.release = describe(
            wheel, requirements, schema=2, oldest_schema=0, not_before=NOON, valid_days=90
        )
        self.answers = {
            (NEW, "--version"): (0, f"sn37 {NEW}\n"),
            (OLD, "state verify"): (0, contents(1)),
            (NEW, "state verify"): (0, contents(2)),
            **self.answers,
        }

    def document(self) -> bytes:
        return write_release(self.release)

    def fetch(self, file: ReleaseFile, folder: Path) -> Path:
        (folder / file.name).write_bytes((self.root / file.name).read_bytes())
        return folder / file.name

    def install(self, folder: Path, release: Release, files: Path) -> None:
        assert sorted(f.name for f in files.iterdir()) == [
            "requirements.txt",
            f"sn37-{NEW}-py3-none-any.whl",
        ]
        if self.failing:
            raise self.failing.pop()

    def run(self, folder: Path, *arguments: str) -> tuple[int, str]:
        self.ran.append((folder.name, *arguments))
        command = " ".join(a for a in arguments if not a.startswith("/")).removesuffix(
            "--state-dir"
        )
        command = command.replace(" --json", "").strip()
        return self.answers.get((folder.name, command), (0, ""))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        yield self.root / "scratch"

    def stager(self) -> Stager:
        return Stager(
            installation=self.installation,
            installer=self,
            vouched=read_release,
            schema_of=lambda _: self.schema,
            state_file=self.root / "state.sqlite",
            schedule="finney",
            now=lambda: NOON + timedelta(days=1),
        )


def contents(version: int, **rows: int) -> str:
    return json.dumps({"version": version, "newest_round": 720, "rows": {"round": 2, **rows}})


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_release_that_passes_its_trials_is_staged_and_the_current_one_stays(shop: Shop) -> None:
    shop.stager().stage(shop, downgrade=False)
    assert shop.installation.staged() == [OLD, NEW]
    assert (shop.installation.current(), shop.installation.newest()) == (OLD, NEW)
    copy = str(shop.root / "scratch" / "state.sqlite")
    assert (OLD, "state", "backup", copy) in shop.ran
    assert (NEW, "state", "migrate", "--state-dir", str(shop.root / "scratch")) in shop.ran


def test_where_there_is_no_state_yet_none_is_tried(shop: Shop) -> None:
    shop.schema = None
    shop.stager().stage(shop, downgrade=False)
    assert not [r for r in shop.ran if "state" in r]


@pytest.mark.parametrize(
    ("command", "answer", "why"),
    [
        ("--version", (0, "sn37 0.1.0\n"), "calls itself 'sn37 0.1.0'"),
        ("--version", (1, "Traceback ...\nImportError: no torch\n"), "ImportError: no torch"),
        (
            "doctor",
            (1, "ok       a: b\nfailed   torch: gone\n"),
            "sn37 doctor failed: failed torch: gone",
        ),
        ("schedule check finney", (1, "error: no sn99\n"), "schedule check failed: error: no sn99"),
        (
            "state migrate",
            (1, "error: \x1b[2Jdisk\n"),
            "state migrate failed: error: \N{REPLACEMENT CHARACTER}[2Jdisk",
        ),
        ("state verify", (0, contents(1)), "does not write the state version 2"),
        ("state verify", (0, contents(2, round=1)), "changes the contents of the state: round"),
        ("state verify", (0, "no JSON"), "state verify failed: no JSON"),
    ],
)
def test_a_trial_that_fails_refuses_the_release_and_removes_it(
    command: str, answer: tuple[int, str], why: str, shop: Shop
) -> None:
    shop.answers[NEW, command] = answer
    with pytest.raises(ReleaseRefused) as caught:
        shop.stager().stage(shop, downgrade=False)
    assert why in str(caught.value)
    assert not shop.installation.folder(NEW).exists()
    assert shop.installation.newest() == OLD


@pytest.mark.parametrize("command", ["doctor", "schedule check finney"])
def test_what_fails_with_the_running_release_too_is_not_the_new_one_s_fault(
    command: str, shop: Shop
) -> None:
    shop.answers[OLD, command] = shop.answers[NEW, command] = (1, "MISSING")
    shop.stager().stage(shop, downgrade=False)
    assert NEW in shop.installation.staged()


def test_an_install_that_fails_leaves_nothing_and_may_be_tried_again(shop: Shop) -> None:
    shop.failing = [ReleaseUnavailable("installing failed: no space left")]
    with pytest.raises(ReleaseUnavailable):
        shop.stager().stage(shop, downgrade=False)
    assert not shop.installation.folder(NEW).exists()
    shop.stager().stage(shop, downgrade=False)
    assert NEW in shop.installation.staged()


@pytest.mark.parametrize("error", [ValueError("a fault of ours"), KeyboardInterrupt()])
def test_an_error_that_nobody_expects_leaves_nothing(error: BaseException, shop: Shop) -> None:
    shop.failing = [error]
    with pytest.raises(type(error)):
        shop.stager().stage(shop, downgrade=False)
    assert not shop.installation.folder(NEW).exists()


def test_what_a_killed_attempt_left_is_cleared_away_and_what_is_staged_is_kept(shop: Shop) -> None:
    (shop.installation.folder(NEW) / "lib").mkdir(parents=True)
    assert shop.installation.staged() == [OLD]
    shop.stager().stage(shop, downgrade=False)
    assert not (shop.installation.folder(NEW) / "lib").exists()
    with pytest.raises(ReleaseRefused, match="already staged"):
        shop.stager().stage(shop, downgrade=False)


def test_a_release_older_than_one_that_was_ever_staged_is_refused(shop: Shop) -> None:
    shop.installation.folder("0.3.0").mkdir()
    shop.installation.complete("0.3.0", b"signed")
    shop.installation.remove("0.3.0")
    with pytest.raises(ReleaseRefused, match=r"older than 0\.3\.0"):
        shop.stager().judge(shop.document(), downgrade=False)
    assert shop.stager().judge(shop.document(), downgrade=True).version == NEW


def test_a_folder_with_the_document_of_another_release_is_not_switched_to(shop: Shop) -> None:
    for version in (NEW, "0.1.9"):
        shop.installation.folder(version).mkdir()
        shop.installation.complete(version, shop.document())
    shop.stager().judge_staged(NEW, downgrade=False)
    with pytest.raises(ReleaseRefused, match=r"0\.1\.9 has the document of release 0\.2\.0"):
        shop.stager().judge_staged("0.1.9", downgrade=False)


def test_old_releases_are_removable_but_never_those_that_are_needed(shop: Shop) -> None:
    for version in ("0.0.7", "0.0.8", "0.0.9", NEW):
        shop.installation.folder(version).mkdir()
        shop.installation.complete(version, b"signed")
    assert removable(shop.installation, keep=1) == ["0.0.7", "0.0.8", "0.0.9"]
    switch = Switch(old="0.0.8", new=OLD, phase=Phase.DONE, backup="", schema=None)
    shop.installation.record(switch)
    assert removable(shop.installation, keep=1) == ["0.0.7", "0.0.9"]
    assert removable(shop.installation, keep=3) == ["0.0.7"]
    assert removable(shop.installation, keep=9) == []


class TestFolder:
    def test_a_record_of_another_version_is_refused_and_left_alone(self, shop: Shop) -> None:
        file = shop.root / "install" / "switch.json"
        file.write_text('{"phase": "levitating"}')
        with pytest.raises(ReleaseRefused, match="another version wrote it"):
            shop.installation.switch()

    @pytest.mark.parametrize("target", ["/usr", "releases/latest", "elsewhere/0.1.0"])
    def test_a_link_that_leads_elsewhere_is_refused(self, target: str, shop: Shop) -> None:
        link = shop.root / "install" / "current"
        link.unlink()
        link.symlink_to(target)
        with pytest.raises(ReleaseRefused, match="leads to"):
            shop.installation.current()

    def test_a_machine_without_an_installation_is_told_how_to_make_one(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(ReleaseRefused, match="installing a service"):
            InstallFolder(tmp_path / "none").current()

    def test_the_current_release_cannot_be_removed(self, shop: Shop) -> None:
        with pytest.raises(ReleaseRefused, match="current"):
            shop.installation.remove(OLD)


class TestDescription:
    @pytest.mark.parametrize(
        "line",
        [
            "typer==0.29.2",
            f"typer>=0.29 {HASH}",
            "typer==0.29.2 --hash=md5:00",
            "--index-url https://example.org",
            f"-e . {HASH}",
            f"https://example.org/a.whl {HASH}",
            f"typer==0.29.2 --index-url=https://example.org {HASH}",
            f"typer==0.29.2 ; --index-url=https://example.org # {HASH}",
        ],
    )
    def test_a_package_without_version_and_hash_is_not_signed_for(
        self, line: str, shop: Shop
    ) -> None:
        with pytest.raises(CommandError, match="is not NAME==VERSION"):
            self.describe(shop, line)

    def test_requirements_that_are_no_text_are_named(self, shop: Shop) -> None:
        (shop.root / "binary").write_bytes(b"\xff\x00")
        wheel = shop.root / shop.release.wheel.name
        with pytest.raises(CommandError, match=r"binary: not UTF-8 text \(invalid start byte\)"):
            describe(
                wheel,
                shop.root / "binary",
                schema=2,
                oldest_schema=0,
                not_before=NOON,
                valid_days=90,
            )

    @pytest.mark.parametrize(
        "lines",
        [
            f"typer==0.29.2 {HASH} {HASH}",
            f"typer==0.29.2 \\\n    {HASH} \\\n    {HASH}\n    # via sn37\n",
            f"wandb[a,b]==0.31.0 ; python_version < '3.13' {HASH}",
            "# nothing\n\n",
        ],
    )
    def test_what_pip_compile_writes_is(self, lines: str, shop: Shop) -> None:
        assert self.describe(shop, lines).requirements.name == "requirements.txt"

    def describe(self, shop: Shop, lines: str) -> Release:
        file = shop.root / "requirements.txt"
        file.write_text(lines + "\n")
        wheel = shop.root / shop.release.wheel.name
        return describe(wheel, file, schema=2, oldest_schema=0, not_before=NOON, valid_days=90)

    def test_files_that_are_not_there_or_apart_are_refused(self, shop: Shop) -> None:
        for wheel, requirements in (
            ("sn38-0.2.0-py3-none-any.whl", "requirements.txt"),
            (f"sn37-{NEW}-py3-none-any.whl", "elsewhere/requirements.txt"),
            (f"sn37-{NEW}-py3-none-any.whl", "missing.txt"),
            ("sn37-0.1000.0-py3-none-any.whl", "requirements.txt"),
        ):
            with pytest.raises(CommandError):
                describe(
                    shop.root / wheel,
                    shop.root / requirements,
                    schema=2,
                    oldest_schema=0,
                    not_before=NOON,
                    valid_days=90,
                )
