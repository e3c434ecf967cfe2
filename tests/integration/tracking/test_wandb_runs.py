"""Runs written by the real client: to our own server with outages, and to offline files."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from sn37.adapters.telemetry.wandb_runs import WandbRuns
from sn37.ports.errors import TrackerUnavailable
from sn37.ports.run_tracker import RunRow
from sn37.testing.run_tracker_contract import RunTrackerContract, a_row, a_run
from tests.integration.dataset.wandb_server import API_KEY, Fault, WandbHost, running_wandb
from tests.integration.tracking.offline_file import offline_files, read_back

PROJECT = "finetuning-validators"
CLIENTS_OWN = {"_step", "_runtime"}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbHost]:
    with running_wandb() as host:
        host.keys = frozenset({API_KEY})
        monkeypatch.setenv("WANDB_BASE_URL", host.url)
        monkeypatch.setenv("WANDB_API_KEY", API_KEY)
        yield host


def rows_at(host: WandbHost, run_id: str) -> list[RunRow]:
    """The rows of a run, after a check that their steps are their places."""
    (run,) = (run for run in host.written(PROJECT) if run.id == run_id)
    assert [row["_step"] for row in run.rows] == list(range(len(run.rows)))
    return [{k: v for k, v in row.items() if k not in CLIENTS_OWN} for row in run.rows]


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def processes_with(text: str) -> list[int]:
    """The processes other than this one that were started with some text in a variable."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if text.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
    return found


class TestOnline(RunTrackerContract):
    @pytest.fixture(autouse=True)
    def _host(self, host: WandbHost) -> None:
        self._at = host

    def tracker(self) -> WandbRuns:
        return WandbRuns(project=PROJECT, folder=None)

    def rows(self, run_id: str) -> Sequence[RunRow]:
        return rows_at(self._at, run_id)


class TestOffline(RunTrackerContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("WANDB_API_KEY", raising=False)
        self._path = tmp_path

    def tracker(self) -> WandbRuns:
        return WandbRuns(project=PROJECT, folder=self._path)

    def rows(self, run_id: str) -> Sequence[RunRow]:
        (file,) = offline_files(self._path, run_id)
        found = read_back(file)
        assert [row["_step"] for row in found["rows"]] == list(range(len(found["rows"])))
        return [{k: v for k, v in row.items() if k not in CLIENTS_OWN} for row in found["rows"]]


def tracker(timeout_s: float = 120.0) -> WandbRuns:
    return WandbRuns(project=PROJECT, folder=None, timeout_s=timeout_s)


CONFIG = {
    "uid": 5,
    "hotkey": "5Validator",
    "run_name": "2026-01-02_03-04-05",
    "version": "1.2.3",
    "type": "validator",
}


async def test_name_and_config_are_those_that_readers_look_for(host: WandbHost) -> None:
    await tracker().deliver(a_run(), 1, a_row)
    (run,) = host.written(PROJECT)
    assert run.name == "validator-5-2026-01-02_03-04-05"
    assert run.config == CONFIG
    assert run.is_closed


async def test_an_offline_run_has_name_and_config_and_needs_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    await WandbRuns(project=PROJECT, folder=tmp_path).deliver(a_run(), 1, a_row)
    found = read_back(offline_files(tmp_path, a_run().id)[0])
    assert found["name"] == "validator-5-2026-01-02_03-04-05"
    assert found["project"] == PROJECT
    assert found["config"] == CONFIG


@pytest.mark.parametrize(
    "fault",
    [
        Fault(operation="history", times=2, status=500),
        Fault(operation="history", times=1, drop=True),
        Fault(operation="history", times=1, drop=True, is_late=True),  # taken, but not confirmed
        Fault(operation="UpsertBucket", times=2, status=502),
        Fault(operation="RunResumeStatus", times=1, drop=True),
    ],
    ids=lambda fault: f"{fault.operation} {fault.status or 'dropped'} {fault.is_late}",
)
async def test_a_short_outage_in_the_middle_neither_loses_nor_repeats(
    host: WandbHost, fault: Fault
) -> None:
    host.faults.append(fault)
    assert await tracker().deliver(a_run(), 3, a_row) == 3
    assert fault.times == 0
    assert await tracker().deliver(a_run(), 3, a_row) == 0
    assert rows_at(host, a_run().id) == [a_row(n) for n in range(3)]


async def test_a_client_that_is_killed_in_the_middle_is_continued(host: WandbHost) -> None:
    await tracker().deliver(a_run(), 2, a_row)
    host.faults.append(Fault(operation="history", times=None, status=500))
    started = time.monotonic()
    with pytest.raises(TrackerUnavailable, match=r"within 12 s; check the network"):
        await tracker(timeout_s=12.0).deliver(a_run(), 5, a_row)
    assert time.monotonic() - started < 40
    assert len(rows_at(host, a_run().id)) == 2
    host.faults.clear()
    assert await tracker().deliver(a_run(), 5, a_row) == 3
    assert rows_at(host, a_run().id) == [a_row(n) for n in range(5)]


async def test_a_silent_server_is_given_up_and_leaves_no_process(host: WandbHost) -> None:
    host.faults.append(Fault(operation="RunResumeStatus", times=None, mute=True))
    with pytest.raises(TrackerUnavailable, match="did not take run"):
        await tracker(timeout_s=8.0).deliver(a_run(), 1, a_row)
    assert processes_with(host.url) == []
    assert host.written(PROJECT) == []


async def test_a_cancelled_delivery_ends_its_processes(host: WandbHost) -> None:
    host.faults.append(Fault(operation="RunResumeStatus", times=None, mute=True))
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def note(operation: str) -> None:
        loop.call_soon_threadsafe(asked.set)

    host.on_request = note
    delivery = asyncio.ensure_future(tracker().deliver(a_run(), 1, a_row))
    await asyncio.wait_for(asked.wait(), 60)
    assert len(processes_with(host.url)) >= 2  # the guard, the client and its native process
    delivery.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(delivery, 30)
    assert processes_with(host.url) == []


async def test_a_wrong_key_is_said_in_one_line_without_the_key(
    host: WandbHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "s3cr3t" * 8
    monkeypatch.setenv("WANDB_API_KEY", secret)
    with pytest.raises(TrackerUnavailable) as caught:
        await tracker().deliver(a_run(), 1, a_row)
    assert "returned error 401" in str(caught.value)
    assert str(caught.value).endswith("WANDB_API_KEY and WANDB_BASE_URL")
    assert "\n" not in str(caught.value)
    assert secret not in str(caught.value)


async def test_a_missing_key_is_said_in_one_line(
    host: WandbHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))  # without a login of this machine
    with pytest.raises(TrackerUnavailable, match=r"No API key configured.*Set WANDB_API_KEY"):
        await tracker().deliver(a_run(), 1, a_row)


async def test_the_key_is_in_no_offline_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "s3cr3t" * 8
    monkeypatch.setenv("WANDB_API_KEY", secret)
    await WandbRuns(project=PROJECT, folder=tmp_path).deliver(a_run(), 1, a_row)
    files = files_below(tmp_path)
    assert files
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


async def test_variables_of_single_runs_do_not_reach_ours(
    host: WandbHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RUN_ID", "theirs"), ("NAME", "theirs"), ("RESUME", "never")):
        monkeypatch.setenv(f"WANDB_{name}", value)
    monkeypatch.setenv("WANDB_MODE", "offline")  # the caller decides, not the client
    assert await tracker().deliver(a_run(), 1, a_row) == 1
    assert await tracker().deliver(a_run(), 1, a_row) == 0
    assert [run.id for run in host.written(PROJECT)] == [a_run().id]


async def test_the_client_writes_nothing_beside_the_offline_folder(
    host: WandbHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    await tracker().deliver(a_run(), 1, a_row)
    assert files_below(tmp_path) == []


async def test_a_large_row_arrives_whole(host: WandbHost) -> None:
    text = json.dumps({"entries": [{"repo": "é" * 150, "detail": "x" * 300}] * 300})
    assert len(text) > 300_000
    await tracker().deliver(a_run(), 2, lambda n: {**a_row(n), "round_json": text})
    assert [row["round_json"] for row in rows_at(host, a_run().id)] == [text, text]


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrackerUnavailable, match=r"^wandb: /.*/file: File exists$"):
        await WandbRuns(project=PROJECT, folder=tmp_path / "file").deliver(a_run(), 1, a_row)
