"""What a model is worth: scored beside the champion on samples of a round that begins now."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

from sn37.adapters.simnet.chain.schema import GENESIS_TIME
from sn37.adapters.simnet.feed.signed_logs import SENDERS
from sn37.app.training.config import run_of
from sn37.app.training.split import Split, freeze
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.samples import PoolRequest, Sample, TimeWindow
from sn37.domain.ids import TaskName
from sn37.domain.schedule.methods import Method
from sn37.ports.dataset import LiveDataset
from tests.integration.miner.miner_world import MinerWorld, Said


def evaluate(world: MinerWorld, folder: Path, schedule: Path, *args: str) -> Said:
    options = ["--competition", "2", "--schedule", str(schedule), "--allow-weak-sandbox"]
    return world.run("evaluate", str(folder), *options, "--threads", "1", *args)


def a_row_of_the_feed(world: MinerWorld) -> Sample:
    """One of those that the round of block 1440 may draw."""
    feed, until = world.guest().plugins["simnet"], GENESIS_TIME + timedelta(seconds=12 * 1300)
    window = TimeWindow(since=until - timedelta(hours=2), until=until)
    dataset = feed.open({})
    assert isinstance(dataset, LiveDataset)
    richest = max(SENDERS, key=lambda s: (s.permit, s.stake_rao))
    trusted = frozenset({richest.hotkey(0)})
    pool = asyncio.run(dataset.collect(PoolRequest(window=window, trusted=trusted)))
    return pool.samples[0]


def test_a_better_model_takes_a_number_of_rounds(
    reigned: MinerWorld, model: Path, schedule: Path
) -> None:
    said = evaluate(reigned, model, schedule, "--json")
    assert said.code == 0, said.err
    found = said.json
    champion = found["champion"]
    assert found["num_samples"] == 48
    assert found["score"] < champion["score"]
    assert champion["margin"] > 0.005
    rounds = champion["rounds"]
    assert 1 <= rounds["soonest"] <= rounds["expected"] <= rounds["latest"]
    assert [day["in_days"] for day in champion["days"]] == [0, 1]  # then epsilon is at its end
    assert "better than the champion" in found["finding"]
    assert f"about {rounds['expected']} round" in found["finding"]


def test_the_champion_s_own_folder_is_the_same_model(
    reigned: MinerWorld, weak: Path, schedule: Path
) -> None:
    said = evaluate(reigned, weak, schedule)
    assert said.code == 0
    assert "finding     the same model: its weights equal the champion's" in said.out


def test_a_model_that_a_validator_refuses_is_refused(
    reigned: MinerWorld, model: Path, schedule: Path, tmp_path: Path
) -> None:
    spoilt = tmp_path / "spoilt"
    shutil.copytree(model, spoilt)
    (spoilt / "model.bin").write_bytes(b"")
    said = evaluate(reigned, spoilt, schedule)
    assert said.code == 1
    assert "finding     a validator would refuse it: unsafe_file: " in said.out
    assert said.out.count("keep only the files listed in docs/miner.md") == 1


def test_rows_that_the_model_has_learnt_are_not_drawn(
    world: MinerWorld, model: Path, schedule: Path, corpus: Path, tmp_path: Path
) -> None:
    """In a past round, and while there is no champion."""
    world.open_feed(corpus)
    own = tmp_path / "own"
    shutil.copytree(model, own)
    row = a_row_of_the_feed(world)
    batch = TaskBatch(task=TaskName("pairs"), method=Method.REFERENCE_LOSS, samples=(row,))
    freeze(Split(training=(batch,), held_out=()), run_of(own))
    said = evaluate(world, own, schedule, "--at", "1440")
    assert said.code == 0, said.err
    assert "samples     48, drawn by the hash of block 1440, rows from " in said.out
    assert "1 rows of its training data were left out" in said.out
    assert "score       " in said.out
    assert "no champion yet: the earliest model" in said.out


def test_a_block_that_is_not_there_yet_is_one_line(
    reigned: MinerWorld, model: Path, schedule: Path
) -> None:
    said = evaluate(reigned, model, schedule, "--at", "99999")
    assert said.code == 1
    assert said.err.startswith("error: block 99999 does not exist yet; the newest is ")
