"""SIGTERM, SIGKILL and an actor that is stuck, as processes and the system have them."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sn37.adapters.sqlite import maintenance
from sn37.adapters.system.watchdog import STUCK_EXIT_CODE
from sn37.app.config.settings import Settings
from sn37.app.wiring.status import look_at_validator
from tests.integration.scorer.harness import wait_until_gone
from tests.support.processes import children_of

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("stoppable_validator.py")
PATIENCE_S = 60  # a machine may be busy; seconds are usual


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A validator, which ends at the latest when nobody has patience left."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as validator:
        deadline = threading.Timer(2 * PATIENCE_S, validator.kill)
        deadline.start()
        try:
            yield validator
        finally:
            deadline.cancel()
            validator.kill()


@contextmanager
def held(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A validator that has come to its phase, and the worker it has there."""
    with started(*arguments) as validator:
        assert validator.stdout is not None
        said = validator.stdout.readline().split()
        assert said[:1] == ["reached"], validator.communicate()
        yield validator, [int(pid) for pid in said[1:]]


@pytest.mark.fault("SIGTERM", "following")
@pytest.mark.fault("SIGTERM", "freeze")
@pytest.mark.fault("SIGTERM", "fetch")
@pytest.mark.fault("SIGTERM", "opening")
@pytest.mark.fault("SIGTERM", "evaluation")
@pytest.mark.fault("SIGTERM", "weights")
@pytest.mark.fault("plug-in call", "orphaned")
@pytest.mark.parametrize(
    "phase", ["following", "freeze", "fetch", "opening", "evaluation", "weights"]
)
def test_a_signal_ends_the_process_with_all_it_has_started(phase: str, tmp_path: Path) -> None:
    with held(phase, str(tmp_path)) as (validator, workers):
        started = {*children_of(validator.pid), *workers}
        validator.send_signal(signal.SIGTERM)
        _, said = validator.communicate(timeout=PATIENCE_S)
        assert validator.returncode == 0, said
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    maintenance.verify(tmp_path / "state.sqlite")
    assert bool(workers) is (phase == "evaluation")


@pytest.mark.fault("SIGKILL", "following")
@pytest.mark.fault("SIGKILL", "evaluation")
@pytest.mark.fault("worker", "orphaned")
def test_after_a_kill_nothing_is_left_and_the_next_one_goes_on_in_the_same_folder(
    tmp_path: Path,
) -> None:
    for phase in ("following", "evaluation", "evaluation"):
        with held(phase, str(tmp_path)) as (validator, workers):
            started = {*children_of(validator.pid), *workers}
            validator.kill()
        for pid in started:
            wait_until_gone(pid)
    maintenance.verify(tmp_path / "state.sqlite")


def test_another_process_sees_that_a_validator_runs_was_killed_or_was_stopped(
    tmp_path: Path,
) -> None:
    settings = Settings(network="simnet", state_dir=tmp_path)

    def seen() -> tuple[str, str]:
        found = look_at_validator(settings)
        return found.life.value, found.ended

    with held("evaluation", str(tmp_path)) as (validator, _):
        assert seen() == ("running", "")
        report = (tmp_path / "status.json").read_bytes()
        with started("none", str(tmp_path)) as second:  # the state is locked
            _, said = second.communicate(timeout=PATIENCE_S)
            assert "in use by another validator" in said
        assert json.loads(report)["pid"] == validator.pid
        assert json.loads((tmp_path / "status.json").read_bytes())["pid"] == validator.pid
        validator.kill()
        validator.wait()
        assert seen() == ("not running", "killed")
    with held("following", str(tmp_path)) as (validator, _):
        assert seen() == ("running", "")
        validator.send_signal(signal.SIGTERM)
        validator.communicate(timeout=PATIENCE_S)
    assert seen() == ("not running", "stopped")


@pytest.mark.fault("state disk", "flapping")
@pytest.mark.fault("disk full", "following")
def test_a_process_whose_disk_takes_nothing_for_a_while_goes_on_without_a_restart(
    tmp_path: Path,
) -> None:
    """No file may grow meanwhile; the log and the journal of events lie on the same disk."""
    events = tmp_path / "events.jsonl"

    def told(validator: subprocess.Popen[str], line: str) -> None:
        assert validator.stderr is not None
        assert any(f" {line}" in told for told in validator.stderr)

    with started("none", str(tmp_path)) as validator:
        told(validator, "finished")
        resource.prlimit(validator.pid, resource.RLIMIT_FSIZE, (4_096, resource.RLIM_INFINITY))
        told(validator, "degraded  state: ")
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(validator.pid, resource.RLIMIT_FSIZE, unlimited)
        told(validator, "recovered state")
        told(validator, "weights")
        validator.send_signal(signal.SIGTERM)
        validator.communicate(timeout=PATIENCE_S)
        assert validator.returncode == 0
    maintenance.verify(tmp_path / "state.sqlite")
    assert all(json.loads(line) for line in events.read_text().splitlines())


@pytest.mark.fault("stuck", "weights")
def test_a_stuck_actor_ends_the_process_and_the_log_says_which_and_where(tmp_path: Path) -> None:
    with held("weights", str(tmp_path), "600") as (validator, _):
        _, said = validator.communicate(timeout=PATIENCE_S)
        assert validator.returncode == STUCK_EXIT_CODE
    assert "caution   weights: stuck since" in said
    log = (tmp_path / "validator.log").read_text()
    assert "weights is stuck since" in log
    assert "setting the weights of block 1080" in log
    maintenance.verify(tmp_path / "state.sqlite")


@pytest.mark.fault("SIGTERM", "loading")
def test_a_signal_while_python_loads_ends_it_before_anything_is_open(tmp_path: Path) -> None:
    """The system's own answer to SIGTERM: there is nobody yet who could give another one."""
    state = tmp_path / "state"
    (tmp_path / "sitecustomize.py").write_text("print('up', flush=True)\ninput()\n")
    with subprocess.Popen(
        [sys.executable, "-m", "sn37.app.validator", "--network", "simnet", "--state-dir", state],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as validator:
        assert validator.stdout is not None
        assert validator.stdout.readline() == "up\n"
        validator.send_signal(signal.SIGTERM)
        validator.communicate(timeout=PATIENCE_S)
        assert validator.returncode == -signal.SIGTERM
    assert not state.exists()
