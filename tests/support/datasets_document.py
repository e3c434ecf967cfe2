"""The commands of docs/datasets.md, run as its reader runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

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
    """The blocks of the document in a language."""
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def run_commands(folder: Path, commands: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run blocks of commands one after the other, in a checkout below ``folder``.

    Packages are installed for these commands only, without a registry; the copy of the example is
    ``folder / "my_source"``.
    """
    site, checkout = folder / "site", folder / "checkout"
    site.mkdir()
    shutil.copytree(EXAMPLE, checkout / "examples" / "sn1_style_dataset")
    shutil.copy(ROOT / "pyproject.toml", checkout)
    for name, words in {
        "pip": f"{site / 'pip.py'}",
        "pytest": "-m pytest -p no:cacheprovider",
        "python": "",
        "sn37": "-m sn37.app.main",
    }.items():
        (site / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (site / name).chmod(0o755)
    (site / "pip.py").write_text(PIP)
    path = [str(site), str(folder / "my_source"), *sys.path]
    return subprocess.run(
        ["bash", "-euc", "\n".join(commands)],
        cwd=checkout,
        env={
            **os.environ,
            "PATH": f"{site}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(path),
            "XDG_STATE_HOME": str(folder / "state"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
