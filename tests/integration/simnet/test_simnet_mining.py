"""The mining demo in a short form: a new miner trains on the champion and takes its crown."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from sn37.adapters.sqlite.read_only import read_state
from sn37.domain.ids import CompetitionId
from tests.integration.simnet.killing import Run

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "examples" / "mining_demo.py"
TIME_LIMIT_S = 900
SETTINGS = {"SN37_NETWORK": "simnet", "SN37_STATE_DIR": "simnet-state"}


def typed(text: str, prompt: str) -> list[str]:
    """The commands among the lines, each once."""
    lines = (line.removeprefix(prompt).split("  #")[0].strip() for line in text.splitlines())
    return list(dict.fromkeys(c for c in lines if c.startswith(("sn37 ", "export SN37_"))))


def test_a_new_miner_takes_the_crown_while_the_validator_runs(
    undisturbed: Run, tmp_path: Path
) -> None:
    state_dir = tmp_path / "simnet-state"
    shutil.copytree(undisturbed.state, state_dir)
    before = read_state(state_dir / "state.sqlite")
    steps = ["--steps", "80", "--minutes", "10"]
    done = subprocess.run(
        [sys.executable, str(DEMO), "--folder", str(tmp_path), *steps],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    stages = done.stdout.splitlines()[-1]
    assert stages.startswith("from waiting to ")
    assert stages.endswith(" to champion")

    after = read_state(state_dir / "state.sqlite")
    (king,) = {e for e in after.submissions if e not in before.submissions}
    assert after.rounds[CompetitionId(1)][-1].champion == king

    guide = (ROOT / "docs" / "miner.md").read_text(encoding="utf-8")
    walk = guide.split("<!-- walk -->")[1].split("<!-- end -->")[0]
    assert typed(walk, "    ") == typed(done.stdout, "$ ")

    # What the guide shows beside the walk, in the folder that the walk leaves.
    model = after.submissions[king].commitment.model
    others = [c for c in typed(guide, "    ") if re.match(r"sn37 (check|miner evaluate) ", c)]
    for command in {*others} - {*typed(walk, "    ")}:
        words = command.replace("NAMESPACE/NAME@COMMIT", f"{model.repo}@{model.revision}").split()
        ran = subprocess.run(
            [sys.executable, "-m", "sn37.app.main", *words[1:]],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | SETTINGS,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
        assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
