"""What a rehearsal changes in the presets that it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sn37.app.schedule.advice import differences
from sn37.app.schedule.load import LoadedSchedule, load_schedule, read_schedule

OVERLAYS = Path(__file__).parents[1] / "rehearsal/overlays"
MOST_SAMPLES = 24
CHANGED = {
    "finney": {"num_samples", "constraints.min_parameters"},
    "chat_reasoning": {"num_samples", "burn"},
}


def overlaid(preset: str, folder: Path) -> LoadedSchedule:
    _, text = read_schedule(preset)
    (folder / "pinned.toml").write_text(text)
    mine = folder / "overlay.toml"
    mine.write_text((OVERLAYS / f"{preset}.toml").read_text())
    return load_schedule(mine)


@pytest.mark.parametrize("preset", CHANGED)
def test_nothing_but_sizes_and_the_hotkey_to_burn_is_changed(preset: str, tmp_path: Path) -> None:
    before, after = load_schedule(preset), overlaid(preset, tmp_path)
    found = differences(before.schedule, after.schedule)
    assert {d.where.rpartition(": ")[2] for d in found} == CHANGED[preset]
    assert before.fingerprint != after.fingerprint


@pytest.mark.parametrize("preset", CHANGED)
def test_fewer_samples_of_every_task_are_drawn(preset: str, tmp_path: Path) -> None:
    for stage in overlaid(preset, tmp_path).schedule.stages:
        for competition in stage.competitions:
            assert all(task.num_samples <= MOST_SAMPLES for task in competition.tasks)
