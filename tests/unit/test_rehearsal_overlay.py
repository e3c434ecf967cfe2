"""What the rehearsal changes in the preset for finney."""

from __future__ import annotations

import shutil
from pathlib import Path

from sn37.app.schedule.advice import differences
from sn37.app.schedule.load import load_schedule, read_schedule

OVERLAY = Path(__file__).parents[1] / "rehearsal/overlay.toml"
CHANGED = ("num_samples", "constraints.min_parameters")


def test_it_changes_the_size_of_models_and_the_number_of_samples_and_nothing_else(
    tmp_path: Path,
) -> None:
    _, preset = read_schedule("finney")
    (tmp_path / "pinned.toml").write_text(preset)
    shutil.copyfile(OVERLAY, tmp_path / "overlay.toml")
    before = load_schedule("finney")
    after = load_schedule(tmp_path / "overlay.toml")
    found = differences(before.schedule, after.schedule)
    assert {d.where.rpartition(": ")[2] for d in found} == set(CHANGED)
    assert before.fingerprint != after.fingerprint


def test_it_draws_fewer_samples_of_every_task(tmp_path: Path) -> None:
    _, preset = read_schedule("finney")
    (tmp_path / "pinned.toml").write_text(preset)
    shutil.copyfile(OVERLAY, tmp_path / "overlay.toml")
    overlaid = load_schedule(tmp_path / "overlay.toml")
    for stage in overlaid.schedule.stages:
        for competition in stage.competitions:
            assert all(task.num_samples <= 24 for task in competition.tasks)
