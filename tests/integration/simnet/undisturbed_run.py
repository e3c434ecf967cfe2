"""The run of a validator on simnet that others are compared with."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

SEED = 0
ROUNDS = 2
TIME_LIMIT_S = 900


def command(state_dir: Path, report: Path) -> list[str]:
    module = "sn37.app.validator"
    options = ["--network", "simnet", "--rounds", str(ROUNDS), "--seed", str(SEED)]
    folders = ["--state-dir", str(state_dir), "--json", str(report)]
    return [sys.executable, "-m", module, *options, *folders]


def made_once(root: Path) -> None:
    """The run's state, report and output below ``root``, by whichever process comes first."""
    root.mkdir(exist_ok=True)
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (root / "report.json").exists():
            return
        done = subprocess.run(
            command(root / "state", root / "report.json"),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (root / "stdout.txt").write_text(done.stdout)
