"""The file of events is finished by its size, and readers see every line once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.adapters.telemetry import jsonl
from sn37.adapters.telemetry.event_files import MAX_FINISHED, NewLines, event_files, finish
from sn37.adapters.telemetry.jsonl import JsonlSink
from sn37.domain.events import SetUpAdvanced

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def a_sink(folder: Path, max_bytes: int) -> JsonlSink:
    return JsonlSink(folder / "events.jsonl", now=lambda: NOON, max_bytes=max_bytes)


def advanced(number: int) -> SetUpAdvanced:
    return SetUpAdvanced(what="x", done=number, total=9)


def numbers(lines: Iterator[bytes]) -> list[int]:
    return [json.loads(line)["done"] for line in lines]


def test_a_full_file_gets_another_name_and_no_line_is_lost(tmp_path: Path) -> None:
    sink = a_sink(tmp_path, max_bytes=200)
    for number in range(10):
        sink.emit(advanced(number))
    files = event_files(tmp_path / "events.jsonl")
    assert [file.name for file in files] == [
        "events-000001.jsonl",
        "events-000002.jsonl",
        "events-000003.jsonl",
        "events.jsonl",
    ]
    lines = b"".join(file.read_bytes() for file in files).splitlines()
    assert numbers(iter(lines)) == list(range(10))
    assert all(200 <= file.stat().st_size < 300 for file in files[:-1])


def test_a_bounded_number_of_finished_files_is_kept_the_newest(tmp_path: Path) -> None:
    sink = a_sink(tmp_path, max_bytes=1)
    for number in range(MAX_FINISHED + 5):
        sink.emit(advanced(number))
    kept = event_files(tmp_path / "events.jsonl")
    assert len(kept) == MAX_FINISHED
    assert numbers(line for file in kept for line in file.read_bytes().splitlines()) == list(
        range(5, MAX_FINISHED + 5)
    )
    assert kept[-1].name == f"events-{MAX_FINISHED + 5:06}.jsonl"


def test_other_files_of_the_folder_are_not_taken_for_events(tmp_path: Path) -> None:
    for name in ("events-1.jsonl", "events-000001.jsonl.old", "my-events-000001.jsonl"):
        (tmp_path / name).touch()
    assert event_files(tmp_path / "events.jsonl") == ()
    assert event_files(tmp_path / "missing" / "events.jsonl") == ()


def test_a_file_that_cannot_be_renamed_grows_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sink = a_sink(tmp_path, max_bytes=1)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as refused:
        refused.setattr(jsonl, "finish", refuse)
        sink.emit(advanced(0))
        sink.emit(advanced(1))
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'events.jsonl'}: Permission denied; the file grows on"
    ]
    sink.emit(advanced(2))
    (finished,) = event_files(tmp_path / "events.jsonl")
    assert numbers(iter(finished.read_bytes().splitlines())) == [0, 1, 2]
    assert sink.num_dropped == 0


@settings(deadline=None)
@given(steps=st.lists(st.sampled_from(["line", "half", "finish", "look"]), max_size=40))
def test_a_reader_sees_every_line_once_wherever_files_are_finished(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    written, seen = list[bytes](), list[bytes]()
    new_lines = NewLines(path)
    for number, step in enumerate([*steps, "line"]):
        if step == "line":
            with path.open("ab") as file:
                file.write(b"%d\n" % number)
            written.append(b"%d" % number)
        elif step == "half":
            with path.open("ab") as file:
                file.write(b"half of a ")
        elif step == "finish" and path.exists() and path.read_bytes().endswith(b"\n"):
            finish(path, max_finished=100)
        elif step == "look":
            seen += new_lines()
    seen += new_lines()
    assert [line.removeprefix(b"half of a " * line.count(b"half")) for line in seen] == written


def test_a_reader_goes_on_with_the_oldest_line_that_is_left(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    new_lines = NewLines(path)
    for number in range(5):
        path.write_bytes(b"%d\n" % number)
        if number == 0:
            assert list(new_lines()) == [b"0"]
        finish(path, max_finished=2)
    assert list(new_lines()) == [b"3", b"4"]
    path.write_bytes(b"5\n")
    assert list(new_lines()) == [b"5"]


def test_a_file_that_is_finished_while_it_is_opened_is_not_taken_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"1\n")
    open_it = Path.open

    def finished_before(file: Path, mode: str) -> object:
        monkeypatch.setattr(Path, "open", open_it)
        finish(path)
        path.write_bytes(b"2\n")
        return file.open(mode)

    new_lines = NewLines(path)
    monkeypatch.setattr(Path, "open", finished_before)
    assert list(new_lines()) == [b"1", b"2"]
