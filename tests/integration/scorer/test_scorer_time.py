"""Models and machines that take too long: real workers, processes that hog the processors, signals.

Nothing here waits for a time by the clock: what a worker computes is counted wherever it runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.scoring.sandbox.layers import Layer
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.adapters.scoring.usage import Meter, threads_of, tree_of
from sn37.domain.reasons import Reason
from sn37.domain.scoring.jobs import ScoringJob
from sn37.ports.errors import ModelRejected, ScorerUnavailable
from sn37.testing import builders
from sn37.testing.tiny_models import TEMPLATE, a_real_job, save_model
from tests.integration.scorer.harness import everything, hostile, told_pids, without

BUSY = "while True: pass"


def a_short_job() -> ScoringJob:
    """Its stages have a second each."""
    return builders.a_job(timeout_s=1.0)


@contextmanager
def hogs(count: int = 6) -> Iterator[None]:
    """Others that use whatever processors there are."""
    running = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@pytest.mark.parametrize("function", ["spin", "spin_in_turns", "lie_about_stages"])
async def test_t59_whatever_a_worker_claims_what_it_computes_is_counted(function: str) -> None:
    async with hostile(function) as scorer:
        with pytest.raises(ModelRejected) as caught:
            await everything(scorer, a_short_job())
    assert caught.value.reason is Reason.TIMEOUT


async def test_t59_what_a_workers_children_compute_is_counted() -> None:
    async with hostile(
        "spin_in_a_child", probe=without(Layer.SECCOMP), allow_weak_sandbox=True
    ) as scorer:
        with pytest.raises(ModelRejected) as caught:
            await everything(scorer, a_short_job())
    assert caught.value.reason is Reason.TIMEOUT


async def test_t59_blocks_that_come_just_in_time_do_not_add_up_to_more_than_the_jobs() -> None:
    job = replace(builders.a_job(), timeout_s=1.0)
    many = replace(job, batches=tuple(replace(b, samples=b.samples * 20) for b in job.batches))
    async with hostile("score_a_little") as scorer:
        with pytest.raises(ModelRejected) as caught:
            await everything(scorer, many)
    assert caught.value.reason is Reason.TIMEOUT


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("go_back", "an unexpected message"),
        ("repeat_a_stage", "an unexpected message"),
        ("invent_a_stage", "malformed"),
    ],
)
async def test_t59_a_stage_is_entered_once_and_in_order(function: str, words: str) -> None:
    async with hostile(function) as scorer:
        with pytest.raises(ModelRejected, match=words) as caught:
            await everything(scorer, builders.a_job())
    assert caught.value.reason is Reason.UNLOADABLE


async def test_a_worker_that_stands_still_is_ended_and_the_model_not_blamed() -> None:
    async with hostile("hang") as scorer:
        with pytest.raises(ScorerUnavailable, match="stood still"):
            await everything(scorer, builders.a_job(timeout_s=0.2))


async def test_a_worker_that_is_stopped_from_outside_is_ours() -> None:
    async with hostile("spin") as scorer:
        task = asyncio.create_task(everything(scorer, builders.a_job(timeout_s=2.0)))
        worker, _ = await told_pids(scorer)
        os.kill(worker, signal.SIGSTOP)
        with pytest.raises(ScorerUnavailable, match="stood still"):
            await task


async def test_an_honest_model_between_hogs_is_never_at_fault(llama: Path) -> None:
    scorer = WorkerScorer(device="cpu", dtype="float32", threads=1)
    job = a_real_job(llama)
    try:
        undisturbed = await everything(scorer, job)
        with hogs():
            try:
                found = await everything(scorer, job)
            except ScorerUnavailable:
                return  # the machine was busier than it can be; ours, and said so
    finally:
        await scorer.aclose()
    assert [b.losses for b in found] == [b.losses for b in undisturbed]


async def test_a_model_that_computes_for_ever_is_convicted_between_hogs_too() -> None:
    async with hostile("spin") as scorer:
        with hogs(), pytest.raises(ModelRejected) as caught:
            await everything(scorer, a_short_job())
    assert caught.value.reason is Reason.TIMEOUT


# what a model can do without a line of code of its own


async def refused(scorer: WorkerScorer, job: ScoringJob) -> Reason:
    with pytest.raises(ModelRejected) as caught:
        await everything(scorer, job)
    return caught.value.reason


async def test_t59_a_template_that_loops_costs_its_stage(tmp_path: Path) -> None:
    save_model(tmp_path, template="{% for a in range(99999) %}" * 4 + "{% endfor %}" * 4 + TEMPLATE)
    scorer = WorkerScorer(device="cpu", dtype="float32", threads=1)
    try:
        assert await refused(scorer, a_real_job(tmp_path, timeout_s=2.0)) is Reason.TIMEOUT
    finally:
        await scorer.aclose()


async def test_t59_a_tokenizer_whose_expression_backtracks_costs_one_block(tmp_path: Path) -> None:
    """A tenth of a second for each word of sixteen a's, under the library's limit for one match."""
    save_model(tmp_path)
    file = tmp_path / "tokenizer.json"
    settings = json.loads(file.read_text())
    settings["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {
                "type": "Split",
                "pattern": {"Regex": "(?:(?:a|a|aa)+)+(?=\\d\\d\\d)$"},
                "behavior": "Isolated",
                "invert": False,
            },
            settings["pre_tokenizer"],
        ],
    }
    file.write_text(json.dumps(settings))
    job = a_real_job(tmp_path, timeout_s=2.0)
    samples = tuple(
        builders.a_sample(f"row-{n}", prompt="", reference=("a" * 16 + " ") * 50) for n in range(20)
    )
    hard = replace(job, batches=(replace(job.batches[1], samples=samples),))
    scorer = WorkerScorer(device="cpu", dtype="float32", threads=1)
    try:
        assert await refused(scorer, hard) is Reason.TIMEOUT
    finally:
        await scorer.aclose()


@pytest.mark.parametrize("layers", [512, 100_000])
async def test_t59_a_config_of_absurdly_many_layers_ends_in_its_stage(
    tmp_path: Path, layers: int
) -> None:
    """Its files hold two. 512 are allowed, and built before it is found that the others lack."""
    save_model(tmp_path)
    config = tmp_path / "config.json"
    fields = json.loads(config.read_text())
    fields["num_hidden_layers"] = layers
    fields.pop("layer_types", None)
    config.write_text(json.dumps(fields))
    scorer = WorkerScorer(device="cpu", dtype="float32", threads=1)
    try:
        found = await refused(scorer, a_real_job(tmp_path, timeout_s=600.0))
    finally:
        await scorer.aclose()
    assert found in {Reason.BAD_CONFIG, Reason.PARAMETERS, Reason.UNLOADABLE}


# reading /proc


def test_the_busiest_thread_of_a_tree_is_what_a_meter_reads() -> None:
    with subprocess.Popen(
        ["/bin/sh", "-c", f"{sys.executable} -c '{BUSY}' & echo $!; wait"],
        stdout=subprocess.PIPE,
        text=True,
    ) as shell:
        assert shell.stdout is not None
        busy = int(shell.stdout.readline())
        try:
            assert tree_of(shell.pid) >= {shell.pid, busy}
            meter = Meter(shell.pid, device="cpu")
            asyncio.run(meter.read())
            before = threads_of(busy)[busy].ran_s
            while threads_of(busy)[busy].ran_s < before + 0.3:
                os.sched_yield()
            reading = asyncio.run(meter.read())
        finally:
            os.kill(busy, signal.SIGKILL)
    assert reading.ran_s >= 0.3
    assert reading.runnable_s >= reading.ran_s
    assert not reading.owns_device


def test_a_process_that_has_ended_has_used_nothing() -> None:
    with subprocess.Popen(["/bin/true"]) as process:
        process.wait()
    reading = asyncio.run(Meter(process.pid, device="cuda").read())
    assert (reading.ran_s, reading.runnable_s) == (0.0, 0.0)
