"""What a scorer says of a model."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

import pytest

from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.scoring.jobs import BlockLosses, ScoringJob
from sn37.ports.errors import ModelRejected


def verdict(scorer: WorkerScorer, job: ScoringJob) -> ModelRejected:
    async def run() -> list[BlockLosses]:
        async with aclosing(scorer.score(job)) as blocks:
            return [block async for block in blocks]

    with pytest.raises(ModelRejected) as caught:
        asyncio.run(run())
    return caught.value


def scored(scorer: WorkerScorer, job: ScoringJob) -> list[float]:
    """All losses of a job, in order."""

    async def run() -> list[float]:
        async with aclosing(scorer.score(job)) as blocks:
            return [loss async for block in blocks for loss in block.losses]

    return asyncio.run(run())


def edit_json(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
