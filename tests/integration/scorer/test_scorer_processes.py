"""Workers that crash, hang, flood or lie. The validator's process stays unharmed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

import sn37
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected, ScorerUnavailable
from sn37.testing import builders
from sn37.testing.tiny_models import a_real_job
from tests.integration.scorer.harness import HERE, everything, hostile, told_pids, wait_until_gone


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("segfault", "SIGSEGV"),
        ("leave", "exited with 7"),
        ("too_long", "malformed"),
        ("no_json", "malformed"),
        ("too_few_losses", "an unexpected message"),
        ("too_many_tokens", "an unexpected message"),
        ("endless_tokens", "malformed"),
        ("too_good", "malformed"),
        ("no_start", "an unexpected message"),
        ("own_reason", "malformed"),
    ],
)
@pytest.mark.fault("worker", "wrong")
async def test_t24_a_worker_that_crashes_or_lies_is_the_models_fault(
    function: str, words: str
) -> None:
    async with hostile(function) as scorer:
        with pytest.raises(ModelRejected, match=words) as caught:
            await everything(scorer, builders.a_job())
    assert caught.value.reason is Reason.UNLOADABLE


@pytest.mark.fault("worker", "down")
async def test_a_worker_that_crashes_before_it_read_the_model_is_our_fault() -> None:
    async with hostile("early_segfault") as scorer:
        with pytest.raises(ScorerUnavailable, match="SIGSEGV before it read"):
            await everything(scorer, builders.a_job())


@pytest.mark.fault("worker", "slow")
@pytest.mark.fault("worker", "will not die")
async def test_t24_a_worker_is_killed_at_the_deadline() -> None:
    async with hostile("spin") as scorer:
        with pytest.raises(ModelRejected) as caught:
            await everything(scorer, builders.a_job(timeout_s=0.5))
        assert caught.value.reason is Reason.TIMEOUT
        worker, _ = await told_pids(scorer)
        wait_until_gone(worker)


async def test_t24_output_that_nobody_reads_does_not_block() -> None:
    job = builders.a_job()
    async with hostile("flood") as scorer:
        assert len(await everything(scorer, job)) == len(job.blocks())


async def test_t44_the_warm_parent_is_replaced_after_its_last_child() -> None:
    async with hostile("segfault", max_children=1) as scorer:
        for _ in range(2):
            with pytest.raises(ModelRejected, match="SIGSEGV"):
                await everything(scorer, builders.a_job())


async def test_closing_early_kills_the_worker_at_once() -> None:
    async with hostile("hang") as scorer:
        task = asyncio.create_task(everything(scorer, builders.a_job(timeout_s=3600)))
        worker, _ = await told_pids(scorer)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        wait_until_gone(worker)


@pytest.mark.fault("worker", "flapping")
async def test_a_warm_parent_that_is_killed_is_our_fault_and_replaced() -> None:
    async with hostile("spin") as scorer:
        task = asyncio.create_task(everything(scorer, builders.a_job(timeout_s=3600)))
        worker, zygote = await told_pids(scorer)
        os.kill(zygote, signal.SIGKILL)
        with pytest.raises(ScorerUnavailable):
            await task
        wait_until_gone(worker)
        with pytest.raises(ModelRejected) as caught:
            await everything(scorer, builders.a_job(timeout_s=0.2))
    assert caught.value.reason is Reason.TIMEOUT


@pytest.mark.fault("worker", "orphaned")
@pytest.mark.fault("SIGKILL", "evaluation")
def test_nothing_outlives_a_validator_that_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, str(HERE / "orphan_maker.py")],
        env={**os.environ, "PYTHONPATH": str(Path(sn37.__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
    ) as validator:
        assert validator.stdout is not None
        pids = validator.stdout.readline().split()
        validator.kill()
    assert len(pids) == 2
    for pid in pids:
        wait_until_gone(int(pid))


async def test_blocks_arrive_one_by_one(warm_scorer: WorkerScorer, llama: Path) -> None:
    job = a_real_job(llama)
    async with aclosing(warm_scorer.score(job)) as blocks:
        first = await anext(blocks)
        assert first.block == job.blocks()[0]
        assert await anext(blocks)
    # Closed with two blocks to go.
