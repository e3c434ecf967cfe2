"""``sn37 miner train`` in two processes on one CPU, as in the documentation."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sn37.app.cli import miner
from sn37.testing.tiny_models import save_model
from tests.integration.training.killed_command import CONFIG

ROOT = Path(__file__).parents[3]
NAMES = ("alone", "shared")


def test_two_processes_share_a_step_and_learn_what_one_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    documented = re.search(
        r"^ +torchrun (.*) train\.toml$", (ROOT / "docs/training.md").read_text(), re.MULTILINE
    )
    assert documented
    monkeypatch.chdir(tmp_path)
    save_model(tmp_path / "base")
    for name in NAMES:
        Path(f"{name}.toml").write_text(CONFIG.format(name=name).replace("steps = 6", "steps = 4"))
    network = ("--network", "simnet", "--state-dir", "state")
    assert miner.main(["train", "alone.toml", *network, "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    with monkeypatch.context() as several:
        # Each would read for itself, and might find other rows.
        several.setenv("WORLD_SIZE", "2")
        assert miner.main(["train", "shared.toml", *network]) == 1
    assert "several processes need the rows on disk" in capsys.readouterr().err
    assert miner.main(["train", "shared.toml", *network, "--data-only"]) == 0
    launch = [sys.executable, "-m", "torch.distributed.run", *documented[1].split()]
    done = subprocess.run(
        [*launch, "shared.toml", *network, "--json"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("(step 4)") == 1
    shared = json.loads(done.stdout)
    for ours, theirs in zip(shared["evaluations"], alone["evaluations"], strict=True):
        assert ours["score"] == pytest.approx(theirs["score"], rel=1e-5)
    steps = [
        json.loads(Path(f"{name}.run/checkpoint-4/history.json").read_text())["steps"]
        for name in NAMES
    ]
    for mine, other in zip(*steps, strict=True):
        assert mine["loss"] == pytest.approx(other["loss"], rel=1e-5)
    assert shared["tensor_digest"] != alone["tensor_digest"]  # two of them add in another order
    kept = [{p.name for p in Path(f"{name}.run").iterdir()} for name in NAMES]
    assert kept[0] == kept[1]
