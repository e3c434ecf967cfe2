"""Memory, time and processes of a worker; what a weaker host costs; what is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sn37.adapters.scoring import scorer as scorer_module
from sn37.adapters.scoring.messages import Failed, Refused
from sn37.adapters.scoring.sandbox.layers import NAMESPACES, Layer
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.adapters.scoring.worker import verdict_on
from sn37.domain.reasons import Reason
from sn37.domain.scoring.jobs import ScoringJob
from sn37.ports.errors import ModelRejected, ScorerUnavailable
from sn37.testing import builders
from tests.integration.scorer.harness import (
    everything,
    hostile,
    told_pids,
    wait_until_gone,
    without,
)
from tests.support.processes import children_of

NUM_STARTS = 50


def a_small_job() -> ScoringJob:
    return builders.a_job(
        artifact=builders.an_artifact(size_bytes=64 << 20, parameters=1),
        constraints=builders.some_constraints(max_tokens=256),
    )


def open_files(pid: int | str) -> set[str]:
    """What its descriptors point to, pipes and sockets with their inode."""
    files = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since the listing, as the listing itself is
            files.add(str(descriptor.readlink()))
    return files


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """The validator's process has no child and no open file that it did not have before.

    It may have fewer: what an earlier test left to the garbage collector is closed at any time.
    """
    children, files = children_of("self"), open_files("self")
    yield
    assert children_of("self") - children == set()
    assert open_files("self") - files == set()


@pytest.mark.fault("worker", "out of memory")
async def test_t24_memory_beyond_the_declared_size_is_refused() -> None:
    async with hostile("allocate") as scorer:
        with pytest.raises(ScorerUnavailable) as caught:
            await everything(scorer, a_small_job())
    allowed = 2 * (64 << 20) + (2 << 30) + (256 << 20)
    assert allowed // 2 < int(str(caught.value)) <= allowed


@pytest.mark.fault("worker", "out of memory")
async def test_t24_memory_that_is_not_counted_as_data_ends_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seccomp refuses it on the CPU; a GPU's worker, or one without seccomp, is watched."""
    monkeypatch.setattr(scorer_module, "WORKING_BYTES", 64 << 20)
    async with hostile(
        "share_for_ever", probe=without(Layer.SECCOMP), allow_weak_sandbox=True
    ) as scorer:
        with pytest.raises(ModelRejected, match="MiB of memory") as caught:
            await everything(scorer, a_small_job())
    assert caught.value.reason is Reason.MEMORY


@pytest.mark.fault("worker", "out of memory")
async def test_t24_a_worker_that_is_killed_from_outside_within_its_size_is_ours() -> None:
    async with hostile("hang") as scorer:
        task = asyncio.create_task(everything(scorer, builders.a_job(timeout_s=3600)))
        worker, _ = await told_pids(scorer)
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(ScorerUnavailable, match="killed from outside"):
            await task


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("crash", Reason.UNLOADABLE),
        ("abort", Reason.UNLOADABLE),
        ("leave", Reason.UNLOADABLE),
        ("hang", Reason.TIMEOUT),
        ("fill the memory", Reason.UNLOADABLE),  # this one dies of its MemoryError
        ("start threads", Reason.UNLOADABLE),
        ("close the stream", Reason.UNLOADABLE),
    ],
)
@pytest.mark.fault("worker", "flapping")
async def test_t24_after_each_the_next_model_scores_normally(
    behaviour: str, reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer_module, "WORKING_BYTES", 64 << 20)
    timeout_s = 0.5 if behaviour == "hang" else 60.0
    good = a_small_job()
    async with hostile("obey") as scorer:
        with pytest.raises(ModelRejected) as caught:
            await everything(scorer, replace(good, template=behaviour, timeout_s=timeout_s))
        assert caught.value.reason is reason
        assert len(await everything(scorer, good)) == len(good.blocks())


@pytest.mark.fault("worker", "will not die")
async def test_t24_whatever_a_worker_started_ends_with_it() -> None:
    """Seccomp refuses the fork; without it the namespace of processes ends as a whole."""
    async with hostile(
        "hang_in_a_session", probe=without(Layer.SECCOMP), allow_weak_sandbox=True
    ) as scorer:
        with pytest.raises(ScorerUnavailable):  # it only sleeps
            await everything(scorer, builders.a_job(timeout_s=0.5))
        for pid in await told_pids(scorer):
            wait_until_gone(pid)


@pytest.mark.parametrize("layer", [Layer.LANDLOCK, Layer.SECCOMP])
async def test_t25_a_host_without_an_essential_layer_starts_no_worker(layer: Layer) -> None:
    async with hostile("flood", probe=without(layer)) as scorer:
        with pytest.raises(ScorerUnavailable, match=rf"no {layer}: .*--allow-weak-sandbox"):
            await everything(scorer, builders.a_job())
        assert scorer.environment()["sandbox"] == "unknown"


@pytest.mark.parametrize("layers", [(Layer.LANDLOCK, Layer.SECCOMP), NAMESPACES])
async def test_a_weak_host_scores_when_it_is_allowed_and_says_so(
    layers: tuple[Layer, ...],
) -> None:
    job = builders.a_job()
    async with hostile("flood", probe=without(*layers), allow_weak_sandbox=True) as scorer:
        assert len(await everything(scorer, job)) == len(job.blocks())
        said = scorer.environment()["sandbox"]
    assert [str(layer) for layer in layers if layer in said] == []


async def test_t25_a_worker_has_no_secrets_no_files_and_no_privileges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("BT_WALLET", "validator")
    async with hostile("surroundings") as scorer:
        with pytest.raises(ScorerUnavailable) as caught:
            await everything(scorer, builders.a_job())
        sandbox = await scorer.sandbox()
    files, names, rights, pid = str(caught.value).split("|")
    # 0, 1, 2: /dev/null; 3: the stream; 4: its own folder of /proc; 5: the listing itself.
    assert files == "[0, 1, 2, 3, 4, 5]"
    assert not {"HF_TOKEN", "BT_WALLET"} & set(names.split(","))
    no_new_privileges, effective, bounding, threads = rights.split()
    assert (no_new_privileges, int(effective, 16), threads) == ("1", 0, "1")
    if Layer.USER in sandbox.layers:
        assert (int(bounding, 16), pid) == (0, "1")


async def starts(scorer: WorkerScorer, count: int) -> None:
    job = builders.a_job()
    for _ in range(count):
        assert len(await everything(scorer, job)) == len(job.blocks())


async def test_t44_fifty_workers_leave_nothing_behind() -> None:
    others = children_of("self")
    async with hostile("agree") as scorer:
        await starts(scorer, 2)
        (zygote,) = children_of("self") - others
        files, of_zygote = open_files("self"), open_files(zygote)
        await starts(scorer, NUM_STARTS)
        assert children_of("self") - others == {zygote}
        assert open_files("self") - files == set()
        assert children_of(zygote) == set()
        # The last job's socket may not be closed yet.
        assert len(open_files(zygote)) <= len(of_zygote) + 1


def test_t24_a_model_that_a_device_had_room_for_is_to_blame_when_it_asks_for_more() -> None:
    error = torch.OutOfMemoryError("tried to allocate 128.00 GiB")
    found = verdict_on(error, Reason.UNLOADABLE, had_room=True)
    assert found == Refused(Reason.MEMORY, f"OutOfMemoryError: {error}")
    assert verdict_on(error, Reason.UNLOADABLE) == Failed(f"OutOfMemoryError: {error}")
