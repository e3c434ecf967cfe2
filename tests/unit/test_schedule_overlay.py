"""Schedules that only hold what differs from another one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sn37.app.schedule.load import LoadedSchedule, ScheduleError, load_schedule, read_schedule
from sn37.domain.canonical import as_json
from sn37.domain.ids import CompetitionId

FIRST = CompetitionId(1)


def overlaid(folder: Path, text: str) -> LoadedSchedule:
    file = folder / "mine.toml"
    file.write_text(text)
    return load_schedule(file)


def test_a_file_with_only_a_base_is_the_base(tmp_path: Path) -> None:
    finney = load_schedule("finney")
    assert overlaid(tmp_path, 'base = "finney"\n').fingerprint == finney.fingerprint


def test_only_what_the_file_has_differs_and_the_fingerprint_shows_it(tmp_path: Path) -> None:
    finney = load_schedule("finney")
    mine = overlaid(
        tmp_path,
        'base = "finney"\nwarmup_rounds = 1\n'
        "[competitions.distilled_reasoning_3b.constraints]\nmin_parameters = 7\n"
        "[competitions.distilled_reasoning_3b.tasks.codeforces]\nnum_samples = 9\n",
    )
    assert mine.fingerprint != finney.fingerprint
    before, after = as_json(finney.schedule), as_json(mine.schedule)
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert {k for k in before if before[k] != after[k]} == {"warmup_rounds", "stages"}
    ours, theirs = (
        mine.schedule.stages[3].competitions[1],
        finney.schedule.stages[3].competitions[1],
    )
    assert ours.constraints.min_parameters == 7
    assert ours.constraints.max_parameters == theirs.constraints.max_parameters
    assert [t.num_samples for t in ours.tasks] == [150, 9]
    assert [t.weight for t in ours.tasks] == [t.weight for t in theirs.tasks]


def test_a_competition_inherits_what_the_file_changes_in_its_base(tmp_path: Path) -> None:
    mine = overlaid(
        tmp_path,
        'base = "finney"\n[competitions.sn9_model.constraints]\nmax_bytes = 5\n',
    )
    assert [c.constraints.max_bytes for c in mine.schedule.stages[1].competitions] == [5, 5]


def test_a_base_may_be_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "all.toml").write_text('base = "finney"\n')
    with pytest.raises(ScheduleError, match=r"mine\.toml, line 2: base: .*has a base itself"):
        overlaid(tmp_path, '\nbase = "all.toml"\n')
    (tmp_path / "all.toml").write_text(read_schedule("simnet")[1])
    mine = overlaid(tmp_path, 'base = "all.toml"\n')
    assert mine.fingerprint == load_schedule("simnet").fingerprint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('base = "nowhere.toml"\n', "nowhere.toml: No such file"),
        ('base = "a\\u0000"\n', "no file can have this name"),
        ('base = "pipe"\n', "line 1: base: "),
        ("base = 3\n", "line 1: base: expected the name of a preset or a file"),
        (
            'base = "finney"\n[competitions.sn9_model.tasks.sn19]\nnum_samples = 2\n',
            "line 2: competitions.sn9_model.tasks.sn19: the base has no task sn19; it has: sn18",
        ),
        (
            'base = "finney"\n\n[competitions.sn9_model.tasks.sn18]\nnum_samples = 0\n',
            "mine.toml, line 4: competitions.sn9_model.tasks.0.num_samples: ",
        ),
        (
            'base = "finney"\n[timing]\nsettle = 7\n',
            "line 3: timing.settle: need 0 < freeze_lead < settle < cadence",
        ),
        (
            'base = "finney"\n[[stages]]\nfrom_block = 1\nshares = { nobody = 1.0 }\n',
            "mine.toml, line 4: stages.0.shares.nobody: no competition table has this name",
        ),
    ],
)
def test_a_mistake_is_found_in_the_file_that_has_it(tmp_path: Path, text: str, said: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ScheduleError) as caught:
        overlaid(tmp_path, text)
    assert said in str(caught.value)


def test_a_mistake_of_the_base_is_told_with_the_bases_line(tmp_path: Path) -> None:
    (tmp_path / "all.toml").write_text("netuid = 37\nnetuid = 38\n")
    with pytest.raises(ScheduleError, match=r"mine\.toml, line 1: base: .*all\.toml: not TOML"):
        overlaid(tmp_path, 'base = "all.toml"\n')
    (tmp_path / "all.toml").write_text("netuid = 70000\n")
    with pytest.raises(ScheduleError, match=r"all\.toml, line 1: netuid"):
        overlaid(tmp_path, 'base = "all.toml"\n')
