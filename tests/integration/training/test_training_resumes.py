"""A run that is killed goes on from its last checkpoint and ends with the same weights."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from sn37.adapters.training.trainer import TransformersTrainer
from sn37.domain.training import Recipe, TrainingJob
from sn37.ports.errors import TrainerUnavailable, TrainingRefused
from sn37.testing.tiny_models import save_model
from tests.integration.training.runs import a_training_job
from tests.support.device import DEVICE

# Before which call that changes the disk or takes a step each process dies: between two steps,
# in the middle of a checkpoint, before and after its rename, while older ones are removed.
KILLED = {"full": (3, 9, 10, 14, 17, 12, 20, 23, 16, 29), "lora": (8, 21, 30, 13)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Calm and stormy runs, and the report of them."""
    folder = tmp_path_factory.mktemp("runs")
    module = "tests.integration.training.killed_runs"
    methods = [f"{method}={','.join(map(str, calls))}" for method, calls in KILLED.items()]
    done = subprocess.run(
        [sys.executable, "-m", module, folder, *methods],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=300,
    )
    return folder, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("method", KILLED)
def test_a_run_that_is_killed_often_ends_with_the_weights_of_one_that_is_not(
    runs: tuple[Path, dict[str, Any]], method: str
) -> None:
    folder, report = runs
    starts = report[f"{method}-stormy"]["starts"]
    assert len(starts) == len(KILLED[method]) + 1
    # No checkpoint that was complete is lost.
    assert all(first in (None, checkpoint) for checkpoint, first in starts)
    # Every model that was judged, however often, was bit for bit the same.
    calm, stormy = (
        {tuple(j) for j in report[f"{method}-{r}"]["judged"]} for r in ("calm", "stormy")
    )
    assert stormy == calm
    ours, theirs = folder / f"{method}-stormy", folder / f"{method}-calm"
    assert {p.name for p in ours.iterdir()} == {p.name for p in theirs.iterdir()}
    for name in ("weights.safetensors", "optimizer.safetensors"):
        found, expected = (load_file(run / "checkpoint-6" / name) for run in (ours, theirs))
        assert found.keys() == expected.keys()
        assert all(bool((found[key] == expected[key]).all()) for key in found)


RECIPE = Recipe(steps=1, batch_samples=2, learning_rate=1e-3)


def train(job: TrainingJob) -> list[int]:
    """The steps at which the weights were judged; scores get better."""
    trainer = TransformersTrainer(device=DEVICE, dtype="float32", threads=1)
    found = trainer.train(job, judge=lambda _, step: float(-step), on_step=lambda _: None)
    return [evaluated.step for evaluated in found]


def test_another_job_is_not_mixed_into_a_run(tmp_path: Path) -> None:
    save_model(tmp_path / "base")
    job = a_training_job(tmp_path / "base", tmp_path / "run", RECIPE)
    train(job)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")}
    with pytest.raises(TrainingRefused, match="other settings"):
        train(replace(job, fingerprint="another job"))
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")} == before


def test_a_checkpoint_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    save_model(tmp_path / "base")
    job = a_training_job(tmp_path / "base", tmp_path / "run", RECIPE)
    train(job)
    (tmp_path / "run" / "checkpoint-1" / "weights.safetensors").write_bytes(b"torn")
    with pytest.raises(TrainerUnavailable, match=r"checkpoint-1 cannot be read.*remove it"):
        train(job)


def test_a_run_without_gain_stops_early_and_keeps_its_best_model(tmp_path: Path) -> None:
    save_model(tmp_path / "base")
    recipe = replace(RECIPE, steps=9, evaluate_steps=1, patience=2)
    job = a_training_job(tmp_path / "base", tmp_path / "run", recipe)
    trainer = TransformersTrainer(device=DEVICE, dtype="float32", threads=1)
    scores = [5.0, 4.0, 3.0, 3.5, 3.2, 1.0]
    found = trainer.train(job, judge=lambda _, step: scores[step], on_step=lambda _: None)
    assert [evaluated.score for evaluated in found] == [5.0, 4.0, 3.0, 3.5, 3.2]
    kept = {p.name for p in (tmp_path / "run").iterdir()}
    assert kept == {"checkpoint-4", "model-2"}
    assert trainer.model_folder(job, 2) == tmp_path / "run" / "model-2"
