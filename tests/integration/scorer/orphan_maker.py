"""A validator in miniature that starts a worker and then waits to be killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from sn37.adapters.cuda.scorer import WorkerScorer
from sn37.testing import builders


async def main(scratch: Path) -> None:
    scorer = WorkerScorer(
        device="cpu",
        dtype="float32",
        threads=1,
        scratch=scratch,
        entry="hostile_workers:hang",
        search_path=(Path(__file__).parent,),
    )
    async for _ in scorer.score(builders.a_job(timeout_s=3600)):
        raise AssertionError("a worker that hangs gave losses")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
