"""Rounds with generated answers: their winner, and signals from the scorer to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sn37.app.receipts.files import UnreadableReceipt, read_receipt
from sn37.app.rounds.report import report
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Hotkey
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


def a_game() -> Schedule:
    live = a_source(freshness=Freshness.LIVE, max_age_s=4_320)
    rules = a_task(
        "rules", source=live, method=Method.INSTRUCTION_RULES, weight=0.5, num_samples=160
    )
    text = a_task("text", source=live, weight=0.5, num_samples=160)
    return a_schedule(a_stage(a_competition(tasks=(rules, text), delay_blocks=360)))


def a_world(**fields: Any) -> World:
    rows = list(some_samples(4_000, since=time_of(0), every_s=10))
    world = World(schedule=a_game(), dataset=FakeLiveDataset(rows=rows), **fields)

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        """Of five rules, on average as many are not followed as the model's quality says."""
        quality = world.qualities[artifact.ref.repo.split("/")[0]]
        return min(5, int(10 * quality * int(sample.content_hash[:4], 16) / 0x10000)) / 5

    world.scorer.loss = loss
    world.miner("first", 0.6, block=100)
    world.miner("better", 0.4, block=450)
    return world


def documents(world: World) -> list[dict[str, Any]]:
    return [json.loads(r.document) for held in world.store.memory.receipts.values() for r in held]


def test_a_model_that_follows_more_rules_wins_and_its_answers_are_shown() -> None:
    world = a_world()
    state = world.run(rounds=1)
    *_, last = report(state, a_game(), {})
    assert isinstance(last, dict)
    assert last["winner"] == "better"
    entries = json.loads(json.dumps(last["entries"]))
    for entry in entries:
        shown = entry["tasks"]["rules"]["answers"]
        assert shown["num_answers"] == 160
        assert shown["near_ties"] == 10  # one in each block
        assert shown["mean_tokens"] > 0
        assert len(shown["examples"]) == 3
        assert shown["examples"][0].startswith(f"an answer of {entry['hotkey']}/")
        assert entry["tasks"]["text"]["answers"] is None
    empty = {e["hotkey"]: e["tasks"]["rules"]["answers"]["empty"] for e in entries}
    assert empty["first"] > empty["better"] == 0
    assert audit(world.store.memory, a_game()).differences == ()


def test_receipts_have_the_counts_of_each_block_and_are_read_back() -> None:
    world = a_world()
    world.run(rounds=1)
    for document in documents(world):
        assert document["version"] == 4
        assert "num_right" not in document
        ones = [loss == 1 for loss in document["losses"]["rules"]]
        blocks = [sum(ones[first : first + 16]) for first in range(0, 160, 16)]
        assert document["answers"] == {"rules": [[empty, 0, 0, 1] for empty in blocks]}
    for held in world.store.memory.receipts.values():
        for receipt in held:
            read, _ = read_receipt(receipt.document)
            assert read.document() == json.loads(receipt.document)


@pytest.mark.parametrize(
    "answers",
    [
        {"rules": [[0, 0, 0, 1]] * 9},
        {"rules": [[0, 0, 0, 1]] * 11},
        {"rules": [[9, 0, 8, 1]] * 10},
        {"rules": [[0, 0, 0, 1]] * 10, "quiz": [[0, 0, 0, 0]]},
        {},
    ],
)
def test_a_receipt_with_other_answers_than_losses_is_refused(answers: dict[str, Any]) -> None:
    world = a_world()
    world.run(rounds=1)
    document = {**documents(world)[0], "answers": answers}
    with pytest.raises(UnreadableReceipt):
        read_receipt(json.dumps(document).encode())


@pytest.fixture
def published(tmp_path: Path) -> tuple[World, Path]:
    world = a_world(chain=chain_of_two(), signer=FakeSigner(hotkey=Hotkey(OLD)))
    world.run(rounds=2)
    return world, export(world.store.memory, tmp_path / OLD)


def counted(world: World) -> list[tuple[int, int, int]]:
    return [
        (task.answers.num_answers, task.answers.empty, task.answers.near_ties)
        for result in world.keeper_state.rounds[ONE]
        for entry in result.entries
        for task in entry.tasks
        if task.answers is not None
    ]


def test_a_validator_that_starts_late_has_the_same_counts(published: tuple[World, Path]) -> None:
    world, folder = published
    other = started_beside(world, folder)
    assert cautions(other) == []
    assert counted(other) == counted(world) != []
    assert audit(other.store.memory, a_game()).differences == ()


def of_texts(document: Any) -> None:
    document["answers"]["text"] = document["answers"]["rules"]


def test_receipts_with_answers_to_other_tasks_are_not_adopted(
    published: tuple[World, Path],
) -> None:
    world, folder = published
    sign_all_again(folder, receipt=of_texts)
    other = started_beside(world, folder)
    assert not other.keeper_state.rounds
    assert "counts of answers to other tasks than it has" in cautions(other)[0]
