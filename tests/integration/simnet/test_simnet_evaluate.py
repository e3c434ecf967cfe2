"""A miner's evaluation of a past round finds what the validator recorded, bit for bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sn37.app.cli import miner
from sn37.app.config.settings import load_settings
from sn37.app.wiring.machine import Machine
from sn37.domain.ids import CompetitionId
from tests.integration.simnet.killing import Run


def test_the_score_of_a_round_is_the_validator_s(
    undisturbed: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state_dir = tmp_path / "state"
    shutil.copytree(undisturbed.state, state_dir)
    state = Machine(load_settings({"network": "simnet", "state_dir": state_dir})).state()
    assert state is not None
    newest = state.rounds[CompetitionId(1)][-1]
    (crowned,) = (e for e in newest.entries if e.key == newest.champion)
    (other,) = {
        s.commitment.model.repo: s.commitment.model
        for s in state.submissions.values()
        if s.commitment.model.repo.startswith("c1-honest-medium/")
    }.values()

    options = ["--network", "simnet", "--state-dir", str(state_dir), "--allow-weak-sandbox"]
    options += ["--competition", "1", "--at", str(newest.key.sync_block), "--json"]
    assert miner.main(["evaluate", f"{other.repo}@{other.revision}", *options]) == 0
    found = json.loads(capsys.readouterr().out)

    assert found["champion"]["hotkey"] == crowned.key.hotkey
    assert found["champion"]["score"] == crowned.score
    assert found["num_samples"] == crowned.num_samples
    assert found["score"] > crowned.score
    assert "it will not take the crown" in found["finding"]
