"""Rounds with questions that have options: accuracy from the scorer to reports and receipts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sn37.adapters.telemetry import wording
from sn37.adapters.telemetry.tables import render_report
from sn37.app.rounds.report import report
from sn37.domain.data.samples import Sample
from sn37.domain.events import EntryFinished
from sn37.domain.ids import Hotkey, TaskName
from sn37.domain.round.state import RoundResult, right_answers
from sn37.domain.schedule.competition import Freshness
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.models import ModelArtifact
from sn37.testing.builders import (
    a_competition,
    a_schedule,
    a_source,
    a_stage,
    a_task,
    a_task_score,
    some_samples,
    time_of,
)
from sn37.testing.fakes import FakeLiveDataset, FakeSigner
from tests.support.auditing import audit
from tests.support.fake_world import ONE, World
from tests.support.published_rounds import (
    OLD,
    cautions,
    chain_of_two,
    export,
    sign_all_again,
    started_beside,
)

QUIZ, TEXT = TaskName("quiz"), TaskName("text")


def a_quiz() -> Schedule:
    live = a_source(freshness=Freshness.LIVE, max_age_s=4_320)
    tasks = (
        replace(
            a_task("quiz", source=live, method=Method.MULTIPLE_CHOICE, weight=0.5, num_samples=160),
            level=1.0,
        ),
        replace(a_task("text", source=live, weight=0.5, num_samples=160), level=1.0),
    )
    return a_schedule(a_stage(a_competition(tasks=tasks, delay_blocks=360)))


def questions() -> list[Sample]:
    return [
        replace(sample, choices=(sample.reference, "another answer", "a third one"))
        for sample in some_samples(4_000, since=time_of(0), every_s=10)
    ]


def a_world(**fields: Any) -> World:
    world = World(schedule=a_quiz(), dataset=FakeLiveDataset(rows=questions()), **fields)

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        spread = int(sample.content_hash[:4], 16) / 0xFFFF
        return world.qualities[artifact.ref.repo.split("/")[0]] * (0.5 + spread)

    world.scorer.loss = loss
    world.miner("first", 1.0, block=100)
    world.miner("better", 0.8, block=450)
    return world


def newest(world: World) -> RoundResult:
    return world.keeper_state.rounds[ONE][-1]


def test_accuracy_is_in_results_reports_and_receipts_and_an_audit_derives_it() -> None:
    world = a_world()
    state = world.run(rounds=1)
    accuracies = {}
    for entry in newest(world).entries:
        quiz, text = entry.tasks
        assert quiz.accuracy is not None
        assert text.accuracy is None
        accuracies[entry.key.hotkey] = quiz.accuracy
    assert 0 < accuracies[Hotkey("first")] < accuracies[Hotkey("better")] < 1
    assert newest(world).winner == "better"
    documents = [
        json.loads(r.document) for held in world.store.memory.receipts.values() for r in held
    ]
    assert {d["version"] for d in documents} == {4}
    for document in documents:
        assert set(document["num_right"]) == {"quiz"}
        told = sum(document["num_right"]["quiz"])
        assert told == sum(loss < 1 for loss in document["losses"]["quiz"])
    *_, last = report(state, a_quiz(), {})
    assert isinstance(last, dict)
    said = json.loads(json.dumps(last["entries"]))
    assert {e["hotkey"]: e["tasks"]["quiz"]["accuracy"] for e in said} == accuracies
    assert all(e["tasks"]["text"]["accuracy"] is None for e in said)
    assert audit(world.store.memory, a_quiz()).differences == ()


def test_an_audit_finds_a_changed_number_of_right_answers() -> None:
    world = a_world()
    world.run(rounds=1)
    memory = world.store.memory
    ((key, round_),) = memory.results.items()
    entry, *others = round_.entries
    quiz = replace(entry.tasks[0], accuracy=1.0)
    changed = replace(entry, tasks=(quiz, *entry.tasks[1:]))
    memory.results[key] = replace(round_, entries=(changed, *others))
    (difference,) = audit(memory, a_quiz()).differences
    assert "accuracy" in str(difference)


def test_it_is_shown_where_a_score_is() -> None:
    tasks = (
        replace(a_task_score("quiz"), accuracy=0.6125),
        a_task_score("text"),
        replace(a_task_score("facts"), accuracy=1.0),
    )
    assert right_answers(tasks) == "quiz 61.3% right, facts 100.0% right"
    assert right_answers(tasks[1:2]) == ""
    world = a_world()
    world.run(rounds=1)
    entry = replace(newest(world).entries[0], score=0.5, tasks=tasks)
    assert wording.score_text(entry) == "0.5000 (61%, 100%)"
    said = wording.line(EntryFinished(round=newest(world).key, result=entry), {})
    assert said is not None
    assert "samples, quiz 61.3% right, facts 100.0% right" in said
    assert wording.score_text(replace(entry, tasks=())) == "0.5000"
    plain = replace(newest(world), entries=(replace(entry, tasks=()),))
    for result, is_told in ((newest(world), True), (plain, False)):
        shown = io.StringIO()
        Console(file=shown, width=200).print(render_report([result], {}, None, {}))
        assert ("in brackets, questions answered rightly" in shown.getvalue()) is is_told


@pytest.fixture
def published(tmp_path: Path) -> tuple[World, Path]:
    world = a_world(chain=chain_of_two(), signer=FakeSigner(hotkey=Hotkey(OLD)))
    world.run(rounds=3)
    return world, export(world.store.memory, tmp_path / OLD)


def test_a_validator_that_starts_late_has_the_same_accuracies(
    published: tuple[World, Path],
) -> None:
    world, folder = published
    other = started_beside(world, folder)
    assert cautions(other) == []
    mine = [r.entries for r in other.keeper_state.rounds[ONE]]
    assert mine == [r.entries for r in world.keeper_state.rounds[ONE]]
    assert audit(other.store.memory, a_quiz()).differences == ()


def leave_out(document: Any) -> None:
    del document["num_right"]
    document["version"] = 3


def of_texts(document: Any) -> None:
    document["num_right"]["text"] = document["num_right"]["quiz"]


@pytest.mark.parametrize("change", [leave_out, of_texts])
def test_receipts_with_right_answers_of_other_tasks_are_not_adopted(
    published: tuple[World, Path], change: Callable[[Any], None]
) -> None:
    world, folder = published
    sign_all_again(folder, receipt=change)
    other = started_beside(world, folder)
    assert not other.keeper_state.rounds
    assert "right answers of other tasks than it has" in cautions(other)[0]
