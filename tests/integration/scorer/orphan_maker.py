"""A validator in miniature that starts a worker, tells its pids, and waits to be killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.testing import builders


async def main() -> None:
    scorer = WorkerScorer(
        device="cpu",
        dtype="float32",
        threads=1,
        entry="hostile_workers:hang",
        search_path=(Path(__file__).parent,),
    )

    async def score() -> None:
        async for _ in scorer.score(builders.a_job(timeout_s=3600)):
            raise AssertionError("a worker that hangs gave losses")

    scoring = asyncio.create_task(score())
    while not (pids := scorer.environment().get("pids")):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    sys.stdout.write(f"{pids}\n")
    sys.stdout.flush()
    await scoring


if __name__ == "__main__":
    asyncio.run(main())
