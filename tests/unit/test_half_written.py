"""Folders of simnet that a killed process left half-written, and those that another one writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sn37.adapters.simnet.host.half_written import PARTIAL_PREFIX, appear, own, sweep


def a_folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "file").write_text(content)
    return path


def test_a_folder_that_another_process_has_finished_stays(tmp_path: Path) -> None:
    target = tmp_path / "target"
    for content in ("first", "second"):
        appear(a_folder(tmp_path / content, content), target)
        assert (target / "file").read_text() == "first"


def test_another_fault_of_the_disk_is_raised(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        appear(tmp_path / "nothing", tmp_path / "target")


def test_only_leftovers_of_dead_processes_are_swept(tmp_path: Path) -> None:
    """A child of a killed process may still write: its folder must not lose files under it."""
    with subprocess.Popen([sys.executable, "-c", "pass"]) as dead:
        dead.wait()
    left = a_folder(tmp_path / f"{PARTIAL_PREFIX}{dead.pid}-a", "left")
    mine = a_folder(tmp_path / f"{own(PARTIAL_PREFIX)}b", "mine")
    sweep(tmp_path, PARTIAL_PREFIX)
    assert not left.exists()
    assert (mine / "file").read_text() == "mine"
