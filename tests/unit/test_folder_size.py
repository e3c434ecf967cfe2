"""The size of a folder, while others change it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sn37.adapters.folder_size import bytes_below


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, size in (("one", 3), ("two", 5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(bytes(size))
    return tmp_path


def test_ordinary_files_at_every_depth_count(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "one" / "file")
    os.mkfifo(folder / "pipe")
    assert bytes_below(folder) == 8
    assert bytes_below(folder / "missing") == 0


@pytest.mark.parametrize(("vanished", "left"), [("two", 3), ("one/file", 5)])
def test_what_vanishes_while_it_is_counted_does_not_count(
    vanished: str, left: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = os.walk

    def walk_and_lose(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        for found in walk(top):
            if (folder / vanished).is_dir():
                shutil.rmtree(folder / vanished)
            elif found[2]:
                (folder / vanished).unlink(missing_ok=True)
            yield found

    monkeypatch.setattr(os, "walk", walk_and_lose)
    assert bytes_below(folder) == left
