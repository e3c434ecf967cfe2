"""Whatever lies at the place of a state file, its readers and writers go on."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sn37.adapters.telemetry.head_times import HeadTimes
from sn37.adapters.telemetry.jsonl import JsonlSink
from sn37.adapters.telemetry.member_log import Members
from sn37.adapters.telemetry.run_ledger import FileLedger
from sn37.adapters.telemetry.subnet_file import SubnetFile
from sn37.app.status.run_report import read_report
from sn37.domain.events import SetUpAdvanced
from sn37.domain.ids import Block
from sn37.durable import PARTIAL_SUFFIX, write_whole
from sn37.ordinary import read_ordinary
from sn37.ports.errors import StateUnavailable

NAME = "status.json"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path)


STRANGE = pytest.mark.parametrize("make", [pipe, folder, device, loop])


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    assert read_ordinary(tmp_path / "file", 4) == read_ordinary(tmp_path / "link", 4) == b"text"


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)  # without blocks on the disk
    with pytest.raises(OSError, match=r"larger than 1,024 bytes"):
        read_ordinary(tmp_path / "large", 1024)


@STRANGE
def test_anything_else_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / NAME)
    with pytest.raises(OSError, match=r"ordinary file|directory|symbolic links"):
        read_report(tmp_path)


@STRANGE
def test_readers_have_nothing(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "file.jsonl"
    make(path)
    assert Members(path)(Block(9)) == {}
    assert HeadTimes(path)() == {}
    assert SubnetFile(path)() is None


@pytest.mark.parametrize("make", [pipe, folder, device])
def test_a_ledger_that_is_no_file_is_named(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "sent.jsonl")
    with pytest.raises(StateUnavailable, match=r"sent\.jsonl: not an ordinary file"):
        FileLedger(tmp_path / "sent.jsonl").runs()


@STRANGE
def test_events_are_dropped(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "events.jsonl")
    sink = JsonlSink(tmp_path / "events.jsonl", now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    sink.emit(SetUpAdvanced(what="x", done=1, total=2))
    assert sink.num_dropped == 1


@pytest.mark.parametrize("make", [pipe, device, loop])
def test_a_file_is_written_whatever_has_its_temporary_name(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / f"{NAME}{PARTIAL_SUFFIX}")
    write_whole(tmp_path / NAME, b"text")
    assert (tmp_path / NAME).read_bytes() == b"text"
    assert not (tmp_path / NAME).is_symlink()


@pytest.mark.parametrize(
    "line",
    [b'{"block": 1e999, "uids": {}}', b'{"block": 1, "uids": {"a": 1e999}}', b"[" * 100_000],
)
def test_a_line_that_is_none_of_ours_gives_no_uids(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "members.jsonl").write_bytes(line + b"\n")
    assert Members(tmp_path / "members.jsonl")(Block(9)) == {}


@pytest.mark.parametrize(
    "line",
    [
        b'{"at": "2026-01-01T00:00:00Z", "head": {"number": 1e999}, "is": "HeadAdvanced"}',
        b'["HeadAdvanced", ' + b"[" * 50_000,
    ],
)
def test_a_line_that_is_none_of_ours_gives_no_times(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "events.jsonl").write_bytes(line + b"\n")
    assert HeadTimes(tmp_path / "events.jsonl")() == {}
