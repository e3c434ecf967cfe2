"""docs/datasets.md shows the example as it is, and its commands do what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "datasets.md").read_text("utf-8")
EXAMPLE = ROOT / "examples" / "sn1_style_dataset"
PIP = """
import sys, tomllib
from importlib.metadata import version
from pathlib import Path

# What pip would do with these arguments, without a registry to ask.
assert sys.argv[1:3] == ["install", "-e"], sys.argv
project = tomllib.loads(Path(sys.argv[3], "pyproject.toml").read_text())["project"]
for requirement in sys.argv[4:]:
    version(requirement)
if project["name"] != "sn37":
    site = Path(sys.argv[0]).parent
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\\nName: {project['name']}\\nVersion: {project['version']}\\n"
    (info / "METADATA").write_text(head)
    points = project["entry-points"]["sn37.datasets"].items()
    lines = [f"{name} = {target}" for name, target in points]
    (info / "entry_points.txt").write_text("\\n".join(["[sn37.datasets]", *lines]))
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize(
    ("language", "number", "file"),
    [
        ("python", 0, "sn1_style_dataset.py"),
        ("python", 1, "test_sn1_style_dataset.py"),
        ("toml", 0, "pyproject.toml"),
    ],
)
def test_what_is_shown_is_the_example(language: str, number: int, file: str) -> None:
    assert blocks(language)[number] == (EXAMPLE / file).read_text("utf-8")


def test_the_example_is_as_short_as_is_said() -> None:
    assert len((EXAMPLE / "sn1_style_dataset.py").read_text("utf-8").splitlines()) < 100
    assert len((EXAMPLE / "test_sn1_style_dataset.py").read_text("utf-8").splitlines()) < 50


def test_the_commands_end_with_a_green_check(tmp_path: Path) -> None:
    site, checkout = tmp_path / "site", tmp_path / "checkout"
    site.mkdir()
    shutil.copytree(EXAMPLE, checkout / "examples" / "sn1_style_dataset")
    shutil.copy(ROOT / "pyproject.toml", checkout)
    for name, words in {
        "pip": f"{site / 'pip.py'}",
        "pytest": "-m pytest -p no:cacheprovider",
        "sn37": "-m sn37.app.main",
    }.items():
        (site / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (site / name).chmod(0o755)
    (site / "pip.py").write_text(PIP)
    (commands,) = blocks("sh")
    path = [str(site), str(checkout / "my_source"), *sys.path]
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=checkout,
        env={
            **os.environ,
            "PATH": f"{site}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(path),
            "XDG_STATE_HOME": str(tmp_path / "state"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert any(re.match(r"\d+ passed", line) for line in lines)
    assert sum(line.startswith("ok ") for line in lines) > 10
    assert not any(line.startswith(("failed ", "warning ")) for line in lines)
    assert any("5 samples of sn1_style" in line for line in lines)


def test_the_schedule_s_table_is_one() -> None:
    table = tomllib.loads(blocks("toml")[1])["sources"]["sn1_style"]
    assert table["freshness"] == "live"
