"""docs/datasets.md shows the example as it is, and its commands do what it says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.datasets_document import EXAMPLE, blocks, run_commands


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
    done = run_commands(tmp_path, blocks("sh")[:1])
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert any(re.match(r"\d+ passed", line) for line in lines)
    assert sum(line.startswith("ok ") for line in lines) > 10
    assert not any(line.startswith(("failed ", "warning ")) for line in lines)
    assert any("5 samples of sn1_style" in line for line in lines)


def test_the_schedule_s_table_is_one() -> None:
    table = tomllib.loads(blocks("toml")[1])["sources"]["sn1_style"]
    assert table["freshness"] == "live"
