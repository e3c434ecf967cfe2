"""How long a worker takes from being asked for to its first word on a model, and to its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Literal

from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.ports.errors import ModelRejected
from sn37.testing.builders.models import an_artifact
from sn37.testing.builders.rounds import a_job


async def worker_starts(
    *, device: Literal["cpu", "cuda"], threads: int, empty: Path, num_starts: int
) -> Sequence[float]:
    """Seconds for each of ``num_starts`` workers, sandbox and device included.

    The model is an empty folder, so what is measured ends with its refusal and the worker's
    death. The first worker, which waits for the warm parent's imports, is not counted.
    """
    scorer = WorkerScorer(device=device, dtype="bfloat16", threads=threads, allow_weak_sandbox=True)
    job = a_job(artifact=an_artifact(path=empty))
    seconds = []
    try:
        for _ in range(1 + num_starts):
            began = time.perf_counter()
            try:
                async with aclosing(scorer.score(job)) as blocks:
                    await anext(blocks)
            except ModelRejected:
                seconds.append(time.perf_counter() - began)
            else:
                raise SystemExit("a worker scored a model that is not there")
    finally:
        await scorer.aclose()
    return seconds[1:]
