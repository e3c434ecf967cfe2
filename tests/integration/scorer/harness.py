"""Hostile workers through the production launcher, and a look at what they leave behind."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from sn37.adapters.scoring.sandbox.layers import Layer, Sandbox
from sn37.adapters.scoring.sandbox.probe import probe as probe_host
from sn37.adapters.scoring.scorer import Device, WorkerScorer
from sn37.domain.scoring.jobs import BlockLosses, ScoringJob

HERE = Path(__file__).parent


@asynccontextmanager
async def hostile(
    function: str,
    *,
    device: Device = "cpu",
    max_children: int = 64,
    probe: Callable[[], Sandbox] = probe_host,
    allow_weak_sandbox: bool = False,
) -> AsyncIterator[WorkerScorer]:
    """A scorer whose workers run a function of ``hostile_workers``."""
    scorer = WorkerScorer(
        device=device,
        dtype="float32",
        threads=1,
        entry=function if ":" in function else f"hostile_workers:{function}",
        search_path=(HERE,),
        max_children=max_children,
        probe=probe,
        allow_weak_sandbox=allow_weak_sandbox,
    )
    try:
        yield scorer
    finally:
        await scorer.aclose()


async def everything(scorer: WorkerScorer, job: ScoringJob) -> list[BlockLosses]:
    """All blocks of a job."""
    async with aclosing(scorer.score(job)) as blocks:
        return [block async for block in blocks]


async def told_pids(scorer: WorkerScorer) -> list[int]:
    """The pids that a worker tells when it is up."""
    while not (pids := scorer.environment().get("pids")):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return [int(pid) for pid in pids.split()]


def wait_until_gone(pid: int) -> None:
    """Return when the process has ended; fail after 10 s."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 10.0)[0], f"{pid} is still alive"
    finally:
        os.close(descriptor)


def without(*layers: Layer) -> Callable[[], Sandbox]:
    """This host, had it less."""
    found = probe_host()
    version = 0 if Layer.LANDLOCK in layers else found.landlock_abi
    return lambda: Sandbox(layers=found.layers - {*layers}, landlock_abi=version)
