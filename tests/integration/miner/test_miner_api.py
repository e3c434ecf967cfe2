"""The examples of the Python module, run on a simulated network."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sn37.app import api
from sn37.app.api import sync
from tests.integration.miner.miner_world import MinerWorld

EXAMPLES = Path(__file__).parents[3] / "examples"


def main_of(example: str) -> Callable[[Sequence[str]], int]:
    found: Callable[[Sequence[str]], int] = runpy.run_path(str(EXAMPLES / example))["main"]
    return found


def test_a_better_model_is_published_and_watched(
    reigned: MinerWorld,
    model: Path,
    schedule: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    network = ["--network", "simnet", "--state-dir", str(reigned.state_dir)]
    publish = main_of("publish_when_better.py")
    args = [str(model), "default/better", "--competition", "2", "--schedule", str(schedule)]
    assert reigned.run("register", hotkey="default").code == 0
    assert publish([*args, *network, "--allow-weak-sandbox"]) == 0
    said = capsys.readouterr().out
    assert "better than the champion" in said
    alice, other = (reigned.guest(name).signer.hotkey for name in ("alice", "default"))
    assert said.endswith(f"committed by {other}\n")
    assert main_of("watch_hotkeys.py")([alice, other, *network]) == 0
    assert capsys.readouterr().out == f"{alice}  waiting\n{other}  waiting\n"


def test_a_starting_point_is_listed_fetched_and_checked(
    reigned: MinerWorld, tmp_path: Path
) -> None:
    settings = api.settings(network="simnet", state_dir=reigned.state_dir)
    (choice,) = sync.bases(settings, competition=2)
    assert choice.source == "champion"
    base = sync.fetch_base(settings, "champion", competition=2, to=tmp_path / "base")
    assert base.model == choice.model
    checked = sync.check(settings, base.folder, competition=2, loading=False)
    assert checked.refusal is None
    assert checked.artifact is not None
    assert checked.artifact.tensor_digest == base.artifact.tensor_digest


def test_the_champion_s_own_model_is_not_published_again(
    reigned: MinerWorld, weak: Path, schedule: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = ["--network", "simnet", "--state-dir", str(reigned.state_dir)]
    publish = main_of("publish_when_better.py")
    args = [str(weak), "default/again", "--competition", "2", "--schedule", str(schedule)]
    assert publish([*args, *network]) == 1
    assert "the same model" in capsys.readouterr().out


def test_an_error_of_an_example_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = ["--network", "simnet", "--state-dir", str(tmp_path)]
    assert main_of("watch_hotkeys.py")(["5F" + "a" * 46, *network]) == 1
    assert capsys.readouterr().err.startswith("error: no simulated network in ")
