"""Start many workers one after another and see that nothing grows: ``make soak`` runs it.

``python -m tests.integration.scorer.soak_workers 1000`` scores a tiny model so many times
with one warm parent, prints a table, and fails when files, processes or threads are left
behind or memory grows.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from contextlib import aclosing
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from sn37.adapters.scoring.memory_guard import holdings
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.testing.tiny_models import a_real_job, save_model
from tests.support.processes import children_of

NUM_REPORTS = 10
MAX_GROWTH_BYTES = 16 << 20  # after the first tenth, of allocators' own making


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What the validator's process and the warm parent hold."""

    files: int
    files_of_parent: int
    processes: int
    threads: int
    shared_memory: int
    memory_bytes: int
    memory_of_parent_bytes: int


def take_census() -> Census:
    """Now."""
    children = children_of("self")
    (warm_parent,) = children
    own, parent = holdings(os.getpid()), holdings(warm_parent)
    return Census(
        files=len(list(Path("/proc/self/fd").iterdir())),
        files_of_parent=len(list(Path("/proc", str(warm_parent), "fd").iterdir())),
        processes=len(children) + len(children_of(warm_parent)),
        threads=own.num_threads,
        shared_memory=len(list(Path("/dev/shm").iterdir())),
        memory_bytes=own.memory_bytes,
        memory_of_parent_bytes=parent.memory_bytes,
    )


def leaks(first: Census, last: Census) -> list[str]:
    """What has grown."""
    limits = Census(
        files=first.files,
        files_of_parent=first.files_of_parent + 1,  # the last job's socket may be closing
        processes=first.processes + 1,  # its worker too
        threads=first.threads + 4,  # asyncio's pool grows up to a bound
        shared_memory=first.shared_memory,
        memory_bytes=first.memory_bytes + MAX_GROWTH_BYTES,
        memory_of_parent_bytes=first.memory_of_parent_bytes + MAX_GROWTH_BYTES,
    )
    names = Census.__dataclass_fields__
    rows = zip(names, astuple(last), astuple(limits), strict=True)
    return [f"{name}: {found}, at most {limit}" for name, found, limit in rows if found > limit]


async def soak(count: int, folder: Path) -> list[str]:
    """Score one block ``count`` times; what has leaked."""
    save_model(folder)
    whole = a_real_job(folder)
    job = replace(whole, skip_blocks=len(whole.blocks()) - 1)
    scorer = WorkerScorer(device="cpu", dtype="float32", threads=1, max_children=count + 1)
    first: Census | None = None
    try:
        for done in range(1, count + 1):
            started = time.perf_counter()
            async with aclosing(scorer.score(job)) as blocks:
                assert len([b async for b in blocks]) == 1
            if done % max(count // NUM_REPORTS, 1) == 0:
                census = take_census()
                first = first or census
                took_s = time.perf_counter() - started
                sys.stdout.write(f"{done:6} workers, the last in {took_s:.2f} s: {census}\n")
                sys.stdout.flush()
        assert first is not None
        return leaks(first, census)
    finally:
        await scorer.aclose()


def main(count: int) -> int:
    """0 when nothing has leaked."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        found = asyncio.run(soak(count, Path(name)))
    for line in found:
        sys.stdout.write(f"LEAK {line}\n")
    sys.stdout.write(f"{count} workers in {time.perf_counter() - began:.0f} s\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
