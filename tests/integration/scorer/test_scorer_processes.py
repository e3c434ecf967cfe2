"""Workers that crash, hang, flood or lie. The validator's process stays unharmed."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

import sn37
from sn37.adapters.cuda.scorer import WorkerScorer
from sn37.domain.competition import Method
from sn37.domain.reasons import Reason
from sn37.domain.scoring import BlockLosses, ScoringJob
from sn37.ports.errors import ModelRejected, ScorerUnavailable
from sn37.testing import builders
from sn37.testing.tiny_models import a_real_job

HERE = Path(__file__).parent


@asynccontextmanager
async def hostile(scratch: Path, function: str, **options: int) -> AsyncIterator[WorkerScorer]:
    scorer = WorkerScorer(
        device="cpu",
        dtype="float32",
        threads=1,
        scratch=scratch,
        entry=f"hostile_workers:{function}",
        search_path=(HERE,),
        **options,
    )
    try:
        yield scorer
    finally:
        await scorer.aclose()


async def everything(scorer: WorkerScorer, job: ScoringJob) -> list[BlockLosses]:
    async with aclosing(scorer.score(job)) as blocks:
        return [block async for block in blocks]


async def appears(path: Path) -> str:
    """The file's text, once it is there and complete."""
    while not (path.exists() and len(path.read_text().split()) == 2):  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.01)
    return path.read_text()  # noqa: ASYNC240


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


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("segfault", "SIGSEGV"),
        ("leave", "exited with 7"),
        ("too_long", "malformed"),
        ("no_json", "malformed"),
        ("too_few_losses", "out of turn"),
        ("no_start", "out of turn"),
        ("own_reason", "malformed"),
    ],
)
async def test_t24_a_worker_that_crashes_or_lies_is_the_models_fault(
    tmp_path: Path, function: str, words: str
) -> None:
    async with hostile(tmp_path, function) as scorer:
        with pytest.raises(ModelRejected, match=words) as caught:
            await everything(scorer, builders.a_job())
    assert caught.value.reason is Reason.UNLOADABLE
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_t24_a_worker_and_its_children_are_killed_at_the_deadline(tmp_path: Path) -> None:
    async with hostile(tmp_path, "hang_twice") as scorer:
        with pytest.raises(ModelRejected) as caught:
            await everything(scorer, builders.a_job(timeout_s=0.5))
    assert caught.value.reason is Reason.TIMEOUT
    for pid in (tmp_path / "pids").read_text().split():
        wait_until_gone(int(pid))


async def test_t24_output_that_nobody_reads_does_not_block(tmp_path: Path) -> None:
    job = builders.a_job()
    async with hostile(tmp_path, "flood") as scorer:
        assert len(await everything(scorer, job)) == len(job.blocks())


async def test_t24_memory_beyond_the_declared_size_is_refused(tmp_path: Path) -> None:
    job = builders.a_job(
        artifact=builders.an_artifact(size_bytes=64 << 20, parameters=1),
        constraints=builders.some_constraints(max_tokens=256),
    )
    async with hostile(tmp_path, "allocate") as scorer:
        with pytest.raises(ScorerUnavailable) as caught:
            await everything(scorer, job)
    allowed = 2 * (64 << 20) + (2 << 30) + (256 << 20)
    assert allowed // 2 < int(str(caught.value)) <= allowed


async def test_t25_a_worker_has_no_secrets_no_files_and_no_way_to_gain_privileges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("BT_WALLET", "validator")
    async with hostile(tmp_path, "surroundings") as scorer:
        with pytest.raises(ScorerUnavailable) as caught:
            await everything(scorer, builders.a_job())
    files, names, no_new_privileges, folder = str(caught.value).split("|")
    # 0, 1, 2: /dev/null; 3: the stream; 4: the listing itself.
    assert files == "[0, 1, 2, 3, 4]"
    assert not {"HF_TOKEN", "BT_WALLET"} & set(names.split(","))
    assert no_new_privileges == "1"
    assert Path(folder).parent == tmp_path


async def test_t44_the_warm_parent_is_replaced_after_its_last_child(tmp_path: Path) -> None:
    async with hostile(tmp_path, "segfault", max_children=1) as scorer:
        for _ in range(2):
            with pytest.raises(ModelRejected, match="SIGSEGV"):
                await everything(scorer, builders.a_job())


async def test_closing_early_kills_the_worker_at_once(tmp_path: Path) -> None:
    async with hostile(tmp_path, "hang_twice") as scorer:
        task = asyncio.create_task(everything(scorer, builders.a_job(timeout_s=3600)))
        pids = await appears(tmp_path / "pids")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for pid in pids.split():
            wait_until_gone(int(pid))


async def test_a_warm_parent_that_is_killed_is_our_fault_and_replaced(tmp_path: Path) -> None:
    async with hostile(tmp_path, "hang") as scorer:
        task = asyncio.create_task(everything(scorer, builders.a_job(timeout_s=3600)))
        worker, zygote = map(int, (await appears(tmp_path / "pids")).split())
        os.kill(zygote, signal.SIGKILL)
        with pytest.raises(ScorerUnavailable):
            await task
        wait_until_gone(worker)
        with pytest.raises(ModelRejected) as caught:
            await everything(scorer, builders.a_job(timeout_s=0.2))
    assert caught.value.reason is Reason.TIMEOUT


def test_nothing_outlives_a_validator_that_is_killed(tmp_path: Path) -> None:
    validator = subprocess.Popen(
        [sys.executable, str(HERE / "orphan_maker.py"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(sn37.__file__).parents[1])},
    )
    pids = asyncio.run(asyncio.wait_for(appears(tmp_path / "pids"), 60))
    validator.kill()
    validator.wait()
    for pid in pids.split():
        wait_until_gone(int(pid))


async def test_blocks_arrive_one_by_one(warm_scorer: WorkerScorer, llama: Path) -> None:
    job = a_real_job(llama)
    async with aclosing(warm_scorer.score(job)) as blocks:
        first = await anext(blocks)
        assert first.block == job.blocks()[0]
        assert await anext(blocks)
    # Closed with two blocks to go.


async def test_a_method_that_is_not_there_yet_is_refused_as_ours(warm_scorer: WorkerScorer) -> None:
    job = builders.a_job(batches=(builders.a_batch("quiz", method=Method.MULTIPLE_CHOICE),))
    with pytest.raises(ScorerUnavailable, match=r"quiz.*multiple_choice"):
        await everything(warm_scorer, job)


async def test_a_scratch_folder_that_cannot_be_written_is_our_disk(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with hostile(tmp_path / "file" / "scratch", "hang") as scorer:
        with pytest.raises(ScorerUnavailable) as caught:
            await everything(scorer, builders.a_job())
    assert caught.value.reason is Reason.DISK
