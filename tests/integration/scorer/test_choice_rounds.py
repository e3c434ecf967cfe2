"""Rounds of questions with options among models that were taught or not, by real workers."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.data.samples import Provenance, Sample
from sn37.domain.ids import Digest, TaskName
from sn37.domain.schedule.competition import Freshness
from sn37.domain.schedule.methods import Method, Options
from sn37.domain.scoring.jobs import BlockLosses
from sn37.testing.builders import (
    a_batch,
    a_competition,
    a_schedule,
    a_source,
    a_stage,
    a_task,
    time_of,
)
from sn37.testing.fakes import FakeLiveDataset
from sn37.testing.tiny_models import a_real_job
from tests.integration.scorer.harness import everything
from tests.integration.scorer.teaching import a_riddle, taught
from tests.support.auditing import audit
from tests.support.fake_world import ONE, World

QUIZ = TaskName("quiz")
FIRST_ROW, NUM_ROWS = 860, 350  # one every ten seconds: those of the first round's window


def riddles() -> tuple[Sample, ...]:
    draw = random.Random(18)
    since = time_of(0)
    found = []
    for number in range(FIRST_ROW, FIRST_ROW + NUM_ROWS):
        riddle = a_riddle(draw, f"row-{number:05d}")
        moment = since + (time_of(1) - since) * number * 10 / 12
        origin = Provenance(row_id=riddle.provenance.row_id, produced_at=moment)
        # Numbered, because two rows with one text are one row.
        found.append(replace(riddle, prompt=f"{number}. {riddle.prompt}", provenance=origin))
    return tuple(found)


def scored(
    scorer: WorkerScorer, folder: Path, method: Method, rows: tuple[Sample, ...]
) -> list[BlockLosses]:
    job = replace(a_real_job(folder), batches=(a_batch(QUIZ, method=method, samples=rows),))
    return asyncio.run(everything(scorer, job))


def test_t27_a_model_that_always_says_one_letter_is_no_better_than_a_guess(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    rows = riddles()[:160]
    parrot = taught(tmp_path / "parrot", Options.LETTERS, lambda question: "A", steps=15)
    guesser = taught(tmp_path / "guesser", Options.LETTERS, lambda question: "A", steps=0)
    found = {p: scored(warm_scorer, p, Method.MULTIPLE_CHOICE, rows) for p in (parrot, guesser)}
    means = {p: fmean(loss for b in blocks for loss in b.losses) for p, blocks in found.items()}
    assert 0.98 < means[guesser] < 1.1
    assert means[parrot] > 1.5
    right = {p: sum(b.num_right or 0 for b in blocks) for p, blocks in found.items()}
    assert 20 <= right[parrot] <= 60  # of 160; 40 by luck, with a spread of 5.5


def test_the_model_that_knows_the_answers_takes_the_crown_from_those_that_guess(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    rows, losses = riddles(), dict[tuple[str, str], float]()
    answers = {
        "guesser": (0, lambda question: "red"),
        "parrot": (15, lambda question: "red"),
        "honest": (60, lambda question: question.answers[question.right]),
    }
    live = a_source(freshness=Freshness.LIVE, max_age_s=4_320)
    task = a_task("quiz", source=live, method=Method.CHOICE_TEXT, num_samples=96)
    schedule = a_schedule(a_stage(a_competition(tasks=(task,), delay_blocks=360)))
    world = World(schedule=schedule, dataset=FakeLiveDataset(rows=list(rows)))
    for place, (name, (steps, answer)) in enumerate(answers.items()):
        folder = taught(tmp_path / name, Options.TEXTS, answer, steps=steps)
        blocks = scored(warm_scorer, folder, Method.CHOICE_TEXT, rows)
        found = [loss for block in blocks for loss in block.losses]
        losses |= {(name, Digest(r.content_hash)): x for r, x in zip(rows, found, strict=True)}
        world.miner(name, 1.0, block=100 + place)
    world.scorer.loss = lambda artifact, sample: losses[
        artifact.ref.repo.partition("/")[0], sample.content_hash
    ]
    world.run(rounds=1)
    (result,) = world.keeper_state.rounds[ONE]
    assert result.winner == "honest"
    scores = {str(e.key.hotkey): e.tasks[0] for e in result.entries}
    assert scores["honest"].raw < 0.5
    assert scores["honest"].accuracy is not None
    assert scores["honest"].accuracy > 0.8
    assert all(scores[name].raw > 0.9 for name in ("guesser", "parrot"))
    assert audit(world.store.memory, schedule).differences == ()
