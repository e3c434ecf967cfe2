"""The program on a host that cannot confine models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import sn37

POOR_HOST = str(Path(__file__).parents[1] / "support" / "poor_host.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(sn37.__file__).parents[1])}


def on_a_poor_host(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, POOR_HOST, *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_t25_the_validator_refuses_before_it_does_anything(tmp_path: Path) -> None:
    run = on_a_poor_host("sn37.app.validator", "--network", "simnet", "--state-dir", str(tmp_path))
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 1
    assert said.count("\n") == 1
    assert "this host cannot confine models: no seccomp: a worker can open connections" in said
    assert "--allow-weak-sandbox" in said
    assert not (tmp_path / "simnet").exists()


def test_it_can_be_told_to_go_on_and_says_what_is_missing(tmp_path: Path) -> None:
    where = ("--network", "simnet", "--state-dir", str(tmp_path), "--allow-weak-sandbox")
    with on_a_poor_host("sn37.app.validator", *where) as run:
        assert run.stderr is not None
        first = run.stderr.readline()
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=60)
    assert " sandbox " in first
    assert first.rstrip().endswith("this host lacks seccomp: sn37 doctor")
    assert run.returncode == 0
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert events[0]["event"] == "WorkersConfined"
    assert events[0]["missing"] == ["seccomp"]


def test_the_doctor_names_the_layer_and_fails() -> None:
    run = on_a_poor_host("sn37.app.main", "doctor")
    said = run.communicate(timeout=60)[0]
    assert run.returncode == 1
    failed = [line for line in said.splitlines() if line.startswith("failed ")]
    assert [line.split(":")[:2] for line in failed] == [["failed   sandbox", " seccomp"]]
    assert failed[0].endswith("or --allow-weak-sandbox")


def test_the_doctor_is_content_with_a_host_that_has_everything_needed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sn37.app.main", "doctor", "--json"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert {row["grade"] for row in found} <= {"ok", "warning"}
    assert {"sandbox: landlock", "sandbox: seccomp", "package torch", "device"} <= {
        row["name"] for row in found
    }
