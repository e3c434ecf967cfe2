"""An installation, and an operator's command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sn37.adapters.releases.folder import InstallFolder
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from tests.integration.upgrade.shelf import Cli, Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    folder = tmp_path / "shelf"
    folder.mkdir()
    shelf = Shelf(folder)
    shelf.open()
    return shelf


@pytest.fixture
def install_dir(tmp_path: Path) -> Path:
    root = tmp_path / "install"
    (root / "releases" / "0.1.0" / "bin").mkdir(parents=True)
    (root / "releases" / "0.1.0" / "bin" / "python").symlink_to(sys.executable)
    InstallFolder(root).point_at("0.1.0")
    return root


@pytest.fixture
def cli(
    install_dir: Path,
    shelf: Shelf,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Cli:
    """As an operator who trusts the shelf's first root."""
    monkeypatch.setenv("SN37_RELEASE_ROOT", str(shelf.root))
    monkeypatch.setenv("SN37_INSTALL_DIR", str(install_dir))
    monkeypatch.setenv("SN37_STATE_DIR", str(tmp_path / "state"))

    def call(*words: str | Path, group: str = "upgrade") -> tuple[int, str]:
        args: Sequence[str] = [group, *map(str, words)]
        code = run(main.app, args, prog_name="sn37")
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return call
