"""Times of blocks from the file of events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sn37.adapters.telemetry import head_times
from sn37.adapters.telemetry.event_files import finish
from sn37.adapters.telemetry.head_times import NUM_PROBES, HeadTimes
from sn37.domain.ids import Block

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the file on every call."""
    monkeypatch.setattr(head_times, "LOOK_EVERY_S", 0.0)


def line(block: int) -> bytes:
    at = (START + timedelta(seconds=12 * block)).isoformat()
    head = {"number": block, "hash": "0x0"}
    event = {"at": at, "event": "HeadAdvanced", "head": head, "next_sync": 9}
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def test_times_are_those_of_the_events_and_the_newest_is_among_them(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(map(line, range(100_000))))
    found = HeadTimes(path)()
    assert max(found) == 99_999
    assert min(found) == 0
    assert NUM_PROBES / 2 < len(found) <= NUM_PROBES + 1
    assert all(at == START + timedelta(seconds=12 * block) for block, at in found.items())


def test_lines_that_are_cut_or_not_events_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    wrong = (
        b'{"event":"HeadAdvanced"}\n',
        b'{"event":"HeadAdvanced","at":"x","head":{"number":1}}\n',
        b'{"event":"HeadAdvanced","at":"2026-01-01T00:00:00","head":{"number":1}}\n',
        b'["HeadAdvanced"]\n',
        b"\xff\x00HeadAdvanced\n",
        line(7)[20:],
    )
    path.write_bytes(b"".join((*wrong, line(8), line(9)[:-20])))
    assert set(HeadTimes(path)()) == {8}


def test_new_heads_appear_and_a_new_file_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    times = HeadTimes(path)
    assert times() == {}
    path.write_bytes(line(5) + line(6))
    assert max(times()) == 6
    with path.open("ab") as file:
        file.write(line(7))
    assert max(times()) == 7
    path.write_bytes(line(900))
    assert set(times()) == {Block(900)}


def test_times_of_finished_files_are_among_them(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    times = HeadTimes(path)
    path.write_bytes(b"".join(map(line, range(50_000))))
    assert max(times()) == 49_999
    finish(path)
    assert max(times()) == 49_999, "the file that is written now is missing"
    path.write_bytes(b"")
    assert max(times()) == 49_999, "it holds no head yet"
    path.write_bytes(b"".join(map(line, range(50_000, 100_000))))
    found = HeadTimes(path)()
    assert (min(found), max(found)) == (0, 99_999)
    of_the_finished = sum(block < 50_000 for block in found)
    assert NUM_PROBES / 3 < of_the_finished < 2 * NUM_PROBES / 3
