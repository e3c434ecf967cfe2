"""Jobs for tiny models, and the validator's judgement of what comes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path, PurePath

from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.scoring.jobs import ScoringJob
from sn37.domain.training import Recipe, TrainingJob
from sn37.testing.builders.models import an_artifact, some_constraints
from sn37.testing.builders.rounds import a_batch, a_job
from sn37.testing.builders.samples import a_sample
from sn37.testing.tiny_models import ARCHITECTURES, some_text

PAIRS = tuple(
    a_sample(f"pair-{n}", prompt=some_text(n, 3 + n), reference=some_text(n, 2 + 5 * n % 23))
    for n in range(8)
)


def a_training_job(
    base: Path, run: Path, recipe: Recipe, *, tokenizer: Path | None = None
) -> TrainingJob:
    """Eight pairs of many lengths."""
    return TrainingJob(
        base=base,
        run=run,
        batches=(a_batch("pairs", samples=PAIRS),),
        recipe=recipe,
        constraints=some_constraints(max_tokens=256),
        fingerprint="a job",
        tokenizer=tokenizer,
    )


def validators_score(
    scorer: WorkerScorer, family: str, *, tokenizer: Path | None = None
) -> Callable[[PurePath, int], float]:
    """A judge: the mean loss of the same pairs, by the scorer of a validator."""

    def judge(folder: PurePath, step: int) -> float:
        artifact = an_artifact(path=folder, architecture=ARCHITECTURES[family])
        job = a_job(
            artifact=artifact,
            constraints=some_constraints(max_tokens=256),
            batches=(a_batch("pairs", samples=PAIRS),),
            timeout_s=60.0,
            tokenizer=tokenizer,
        )
        losses = asyncio.run(_losses(scorer, job))
        return sum(losses) / len(losses)

    return judge


async def _losses(scorer: WorkerScorer, job: ScoringJob) -> list[float]:
    async with aclosing(scorer.score(job)) as blocks:
        return [loss async for block in blocks for loss in block.losses]
