"""Files and folders that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sn37.durable import PARTIAL_SUFFIX, rename_whole, sync, write_whole


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for content in (b"one", b"two"):
        write_whole(file, content)
        assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]


def test_a_disk_that_refuses_leaves_the_file_of_before(
    tmp_path: Path, mocker: MockerFixture
) -> None:
    file = tmp_path / "file"
    write_whole(file, b"before")
    mocker.patch("sn37.durable.os.fsync", side_effect=OSError(28, "No space left on device"))
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, b"after")
    assert file.read_bytes() == b"before"


def test_everything_is_on_the_disk_before_it_has_its_name_and_then_the_name_is(
    tmp_path: Path, mocker: MockerFixture
) -> None:
    partial, folder = tmp_path / f"folder{PARTIAL_SUFFIX}", tmp_path / "folder"
    (partial / "inner").mkdir(parents=True)
    (partial / "inner" / "file").write_bytes(b"text")
    (partial / "link").symlink_to("inner")
    seen = list[tuple[Path, bool]]()

    def fsync(descriptor: int) -> None:
        seen.append((Path(f"/proc/self/fd/{descriptor}").readlink(), folder.exists()))

    mocker.patch("sn37.durable.os.fsync", side_effect=fsync)
    rename_whole(partial, folder)
    assert seen == [
        (partial / "inner", False),
        (partial / "inner" / "file", False),
        (partial, False),
        (tmp_path, True),
    ]
    assert (folder / "inner" / "file").read_bytes() == b"text"


def test_what_is_not_there_cannot_be_synced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "nothing")
