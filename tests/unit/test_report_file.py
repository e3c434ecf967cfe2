"""The report that a validator keeps in a file for other processes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from sn37.adapters.telemetry.report_file import ReportFile
from sn37.domain.canonical import JsonValue
from sn37.domain.events import RoundOpened
from sn37.testing.builders import every_event
from sn37.testing.telemetry_contract import EventSinkContract

OPENED = next(e for e in every_event() if isinstance(e, RoundOpened))
WAIT_S = 30.0


class TestReportFileAsSink(EventSinkContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def sink(self) -> ReportFile:
        return ReportFile(self.folder / "status.json")

    def broken_sink(self) -> ReportFile:
        return ReportFile(self.folder / "missing" / "status.json")


class Reports:
    """Numbered reports, and when each was asked for."""

    def __init__(self) -> None:
        self.num = 0
        self.asked = threading.Semaphore(0)

    def __call__(self) -> Mapping[str, JsonValue]:
        self.num += 1
        self.asked.release()
        return {"number": self.num}

    def wait(self) -> None:
        assert self.asked.acquire(timeout=WAIT_S)


def read(path: Path) -> dict[str, object]:
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


def test_the_file_is_replaced_again_and_again(tmp_path: Path) -> None:
    path, reports = tmp_path / "status.json", Reports()
    with ReportFile(path, every_s=0.01).kept(reports):
        for _ in range(3):
            reports.wait()
        assert read(path)["ended"] is None
    assert read(path)["number"] == reports.num
    assert read(path)["ended"] == "finished"


def test_an_important_event_does_not_wait_for_the_next_turn(tmp_path: Path) -> None:
    path, reports = tmp_path / "status.json", Reports()
    file = ReportFile(path, every_s=3600.0, pause_s=0.0)
    with file.kept(reports):
        reports.wait()
        file.emit(OPENED)
        reports.wait()
        file.emit(OPENED)
        reports.wait()


@pytest.mark.parametrize(
    ("error", "ended"), [(asyncio.CancelledError, "stopped"), (ValueError, "failed")]
)
def test_the_last_report_says_how_it_ended(
    tmp_path: Path, error: type[BaseException], ended: str
) -> None:
    path = tmp_path / "status.json"

    def fail() -> None:
        with ReportFile(path).kept(Reports()):
            raise error

    with pytest.raises(error):
        fail()
    assert read(path)["ended"] == ended


def test_a_disk_that_refuses_is_logged_once_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reports = Reports()
    with ReportFile(tmp_path / "missing" / "status.json", every_s=0.01).kept(reports):
        for _ in range(4):
            reports.wait()
    assert len(caplog.records) == 1
    assert "it may be outdated" in caplog.text
