"""What an operator meets when something is wrong: places, packages, signals, bugs."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from functools import partial
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Literal

import pytest
from pytest_mock import MockerFixture

from sn37.app.config import path_checks as folders
from sn37.app.config import requirements as installed
from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.schedule.load import load_schedule
from sn37.app.supervision.stop_signals import SIGNALS, Stopped, StopRequest
from sn37.app.wiring import validator_run as session
from sn37.app.wiring.run_log import RunLog
from sn37.ports.errors import StateUnavailable


class TestFolders:
    def test_a_missing_folder_is_made_and_left_empty(self, tmp_path: Path) -> None:
        folders.require_writable(tmp_path / "a" / "b")
        assert list((tmp_path / "a" / "b").iterdir()) == []

    @pytest.mark.parametrize("name", ["file", "file/below"])
    def test_a_file_in_the_place_of_a_folder_is_named(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(CommandError, match="is a file, not a folder; choose another with --st"):
            folders.require_writable(tmp_path / name)

    @pytest.mark.fault("disk full", "set-up")
    def test_a_full_disk_is_noticed_and_nothing_is_left(
        self, tmp_path: Path, mocker: MockerFixture
    ) -> None:
        full = OSError(28, "No space left on device")
        mocker.patch.object(Path, "write_bytes", side_effect=full)
        with pytest.raises(CommandError, match="No space left on device"):
            folders.require_writable(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_report_may_replace_a_file(self, tmp_path: Path) -> None:
        report = tmp_path / "report.json"
        folders.require_replaceable(report)
        report.write_text("old")
        folders.require_replaceable(report)
        assert report.read_text() == "old"

    def test_a_report_must_not_replace_a_device_or_a_folder(self, tmp_path: Path) -> None:
        for place in (Path(os.devnull), tmp_path):
            with pytest.raises(UsageError, match="expected the name of a file"):
                folders.require_replaceable(place)

    def test_a_report_in_a_folder_that_does_not_exist_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=rf"^--json .*: no folder {tmp_path}/new; make it"):
            folders.require_replaceable(tmp_path / "new" / "report.json")
        assert list(tmp_path.iterdir()) == []

    def test_a_report_below_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(CommandError, match=r"--json .* is a file, not a folder"):
            folders.require_replaceable(tmp_path / "file" / "report.json")


class TestPackages:
    def test_missing_ones_are_named_with_what_to_install(self, mocker: MockerFixture) -> None:
        mocker.patch.object(installed, "find_spec", side_effect=lambda n: n != "torch" or None)
        with pytest.raises(CommandError) as caught:
            installed.require_packages(Settings(network="simnet"))
        assert str(caught.value) == (
            "the validator needs torch, which is not installed: run pip install 'sn37[validator]'"
        )

    def test_only_real_networks_need_a_client_of_the_hub(self, mocker: MockerFixture) -> None:
        absent = lambda name: None if name == "huggingface_hub" else object()  # noqa: E731
        mocker.patch.object(installed, "find_spec", side_effect=absent)
        installed.require_packages(Settings(network="simnet"))
        with pytest.raises(CommandError, match="huggingface_hub"):
            installed.require_packages(Settings(network="finney"))


class TestDevice:
    @pytest.mark.parametrize("driver", [True, False])
    @pytest.mark.parametrize("torch", ["2.13.0", "2.13.0+cpu", None])
    def test_cuda_that_is_not_here_is_told_before_the_work(
        self, driver: bool, torch: str | None, tmp_path: Path, mocker: MockerFixture
    ) -> None:
        mocker.patch.object(installed, "DRIVERS", [tmp_path if driver else tmp_path / "none"])
        found = PackageNotFoundError() if torch is None else [torch]
        mocker.patch.object(installed, "version", side_effect=found)
        settings = Settings(network="simnet", device="cuda")
        if driver and torch != "2.13.0+cpu":
            installed.require_device(settings)
            return
        with pytest.raises(CommandError, match=r"^--device cuda: .* or use --device cpu$"):
            installed.require_device(settings)

    @pytest.mark.parametrize("device", ["cpu", "auto"])
    def test_nobody_else_needs_it(
        self, device: Literal["cpu", "auto"], tmp_path: Path, mocker: MockerFixture
    ) -> None:
        mocker.patch.object(installed, "DRIVERS", [tmp_path / "none"])
        with pytest.raises(CommandError, match="--device cuda"):
            installed.require_device(Settings(network="finney", device="cuda"))
        installed.require_device(Settings(network="finney", device=device))


class TestCautions:
    def test_a_run_that_sends_nothing_is_told_at_the_start(self) -> None:
        loaded = load_schedule("simnet")
        assert list(session.cautions(Settings(network="simnet"), loaded)) == []
        (caution,) = session.cautions(Settings(network="simnet", offline=True), loaded)
        assert caution.what == "offline"

    def test_a_schedule_unlike_the_presets_is_told_with_both_fingerprints(
        self, tmp_path: Path
    ) -> None:
        preset = load_schedule("finney")
        file = tmp_path / "mine.toml"
        settings = Settings(network="test", schedule=file)
        file.write_text('base = "finney"\n')
        same = load_schedule(file)
        assert list(session.cautions(settings, same)) == []
        file.write_text('base = "finney"\nwarmup_rounds = 1\n')
        other = load_schedule(file)
        (caution,) = session.cautions(settings, other)
        assert caution.what == "schedule"
        assert preset.fingerprint[:16] in caution.advice
        assert other.fingerprint[:16] in caution.advice


class TestSignals:
    @pytest.mark.parametrize("number", SIGNALS)
    def test_the_first_ends_the_group_and_later_ones_change_nothing(
        self, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ended: list[str] = []

        async def work() -> None:
            signal.raise_signal(number)
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()

        async def main(stop: StopRequest) -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(stop.watch())
                    await asyncio.sleep(0)  # the watch begins
                    await work()
            except* Stopped:
                signal.raise_signal(signal.SIGTERM)  # while the run closes what is open
                ended.append("closed")

        before = [signal.getsignal(n) for n in SIGNALS]
        try:
            with StopRequest() as stop:
                asyncio.run(main(stop))
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
        finally:
            for n, handler in zip(SIGNALS, before, strict=True):
                signal.signal(n, handler)
        assert ended == ["closed"]

    def test_before_the_loop_it_interrupts(self) -> None:
        before = [signal.getsignal(n) for n in SIGNALS]
        try:
            with pytest.raises(KeyboardInterrupt), StopRequest():
                signal.raise_signal(signal.SIGTERM)
        finally:
            for n, handler in zip(SIGNALS, before, strict=True):
                signal.signal(n, handler)

    def test_without_any_the_handlers_are_put_back(self) -> None:
        before = [signal.getsignal(n) for n in SIGNALS]
        with StopRequest():
            assert signal.getsignal(signal.SIGTERM) is not before[1]
        assert [signal.getsignal(n) for n in SIGNALS] == before


def opened_log(folder: Path) -> RunLog:
    log = RunLog(folder / "v.log", handler=partial(logging.FileHandler, delay=True))
    log.open()
    return log


class TestBugs:
    def test_one_before_the_log_is_open_keeps_its_traceback_and_writes_nothing(
        self, tmp_path: Path
    ) -> None:
        log = RunLog(tmp_path / "v.log", handler=partial(logging.FileHandler, delay=True))
        with pytest.raises(ZeroDivisionError), log.bugs():
            raise ZeroDivisionError
        assert not (tmp_path / "v.log").exists()

    def test_one_is_a_line_that_names_the_log_which_has_the_traceback(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(CommandError) as caught, opened_log(tmp_path).bugs():
            raise ExceptionGroup(
                "actors", [StateUnavailable("full"), ExceptionGroup("", [ZeroDivisionError("x")])]
            )
        assert "a bug in sn37 stopped the validator: ZeroDivisionError: x" in str(caught.value)
        assert f"in {tmp_path / 'v.log'}" in str(caught.value)
        assert caught.value.exit_code == 1
        assert caplog.records[0].exc_info
        assert caplog.records[0].levelno == logging.ERROR

    @pytest.mark.parametrize("error", [StateUnavailable("full"), CommandError("full")])
    def test_a_known_failure_in_a_group_stays_itself(
        self, error: Exception, tmp_path: Path
    ) -> None:
        group = ExceptionGroup("actors", [ExceptionGroup("more", [error])])
        with pytest.raises(type(error), match=r"^full$"), opened_log(tmp_path).bugs():
            raise group
