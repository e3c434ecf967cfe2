"""``kill -9`` of ``sn37 miner train`` in each of its phases, then the same command again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.integration.training.killed_command import PHASES


def test_the_train_command_goes_on_after_every_kill_to_the_very_model_of_a_calm_run(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.training.killed_command", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.search(r"(\d+) kills, nothing differs", done.stdout)
    assert told, done.stdout
    # One that comes when the command has just ended hits nothing.
    assert int(told[1]) >= len(PHASES) - 3
