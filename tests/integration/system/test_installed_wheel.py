"""The wheel, as pip builds it from this tree: the documents are in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Runs what is installed in a folder, before the tree of these tests.
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from sn37.app.main import main; main()"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the contents of the wheel, built from a copy: a build writes into its tree."""
    tree, built = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("built")
    for name in ("sn37", "docs"):
        shutil.copytree(
            ROOT / name, tree / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(built), str(tree)], check=True)
    (wheel,) = built.glob("sn37-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(built / "installed")
    return built / "installed"


def docs(installed: Path, folder: Path, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", START, str(installed), "docs", *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_wheel_has_every_document_and_no_picture_of_them(installed: Path) -> None:
    found = installed / "sn37" / "app" / "manual" / "documents"
    assert not found.is_symlink()
    wanted = {p.relative_to(ROOT / "docs") for p in (ROOT / "docs").rglob("*.md")}
    assert {p.relative_to(found) for p in found.rglob("*") if p.is_file()} == wanted


def test_a_document_of_the_wheel_is_shown(installed: Path, tmp_path: Path) -> None:
    path = Path(docs(installed, tmp_path, "validator", "--path").strip())
    assert installed in path.parents
    assert docs(installed, tmp_path, "validator").startswith("# For validators: running a")
    assert docs(installed, tmp_path, "77").startswith("# 77. ")
