"""``sn37 upgrade`` called wrongly, or where it cannot work: one line that says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sn37.adapters.releases.folder import InstallFolder
from sn37.app.cli import root as main
from sn37.app.cli.run import run


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    (tmp_path / "install" / "releases" / "0.1.0").mkdir(parents=True)
    InstallFolder(tmp_path / "install").point_at("0.1.0")
    return tmp_path / "install"


def call(*words: str | Path) -> int:
    return run(main.app, ["upgrade", *map(str, words)], prog_name="sn37")


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("switch", "0.2.0"), 2, "--health is missing"),
        (("return",), 2, "--health is missing"),
        (("switch", "0.2.0", "--settle", "20"), 2, "--settle 20 min is longer than --deadline 15"),
        (("switch", "0.2.0", "--health", "127.0.0.1:9"), 1, "release 0.2.0 is not staged here"),
        (("return", "--health", "127.0.0.1:9"), 1, "no release to return to"),
        (("check", "a.release"), 1, "no root to check releases with; set release_root"),
        (("check", "a.release", "--release-root", "root.json"), 1, "root.json: No such file"),
    ],
)
def test_a_mistake_is_one_line(
    words: tuple[str, ...],
    code: int,
    why: str,
    installed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mocker: MockerFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mocker.patch("sn37.app.wiring.release.find_spec", return_value=True)  # of tuf
    monkeypatch.setenv("SN37_INSTALL_DIR", str(installed))
    monkeypatch.setenv("SN37_STATE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert call(*words) == code
    told = capsys.readouterr().err
    assert why in told
    assert told.count("\n") == 1


def test_where_signatures_cannot_be_checked_nothing_is_taken(
    installed: Path, capsys: pytest.CaptureFixture[str], mocker: MockerFixture
) -> None:
    mocker.patch("sn37.app.wiring.release.find_spec", return_value=None)
    assert call("check", "a.release", "--install-dir", installed) == 1
    assert "pip install 'sn37[chain]'" in capsys.readouterr().err


def test_settings_and_keys_that_others_may_write_are_not_used(
    installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], mocker: MockerFixture
) -> None:
    mocker.patch("sn37.app.wiring.release.find_spec", return_value=True)
    config = tmp_path / "validator.toml"
    root = tmp_path / "root.json"
    root.touch()
    config.write_text(f'release_root = "{root}"\ninstall_dir = "{installed}"\n')
    for open_to_others, other in ((config, root), (root, config)):
        open_to_others.chmod(0o664)
        other.chmod(0o644)
        assert call("check", "a.release", "--config", config) == 1
        assert f"{open_to_others}: others may write to it" in capsys.readouterr().err


def test_where_nothing_is_installed_it_says_where_to_read_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("status", "--install-dir", tmp_path) == 1
    assert "docs/validator.md" in capsys.readouterr().err


def test_the_releases_and_what_is_not_finished_are_listed(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = InstallFolder(installed)
    folder.begin("0.2.0")
    folder.complete("0.2.0", b"signed")
    (installed / "switch.json").write_text(
        '{"old":"0.1.0","new":"0.2.0","phase":"switching","backup":"","schema":2}'
    )
    assert call("status", "--install-dir", installed) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0.1.0  current",
        "0.2.0",
        "newest switch: 0.1.0 to 0.2.0, switching",
        "not finished: sn37 upgrade switch 0.2.0, or sn37 upgrade return",
    ]
    assert call("status", "--json", "--install-dir", installed) == 0
    assert json.loads(capsys.readouterr().out) == {
        "current": "0.1.0",
        "staged": ["0.1.0", "0.2.0"],
        "newest_switch": {
            "old": "0.1.0",
            "new": "0.2.0",
            "phase": "switching",
            "why": "",
            "is_over": False,
        },
    }
    assert call("clean", "--keep", "1", "--install-dir", installed) == 0
    assert capsys.readouterr().out == ""
    assert call("clean", "--keep", "1", "--install-dir", installed, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"removed": []}
