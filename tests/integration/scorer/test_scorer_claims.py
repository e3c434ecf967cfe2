"""A worker that was taken over claims losses; what the parent makes of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.domain.ids import EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.plausibility import implausibility
from sn37.domain.scoring.controls import missing_bits
from sn37.domain.scoring.jobs import BlockLosses, ScoringJob
from sn37.domain.scoring.opinion import View, compared, drawn_samples, judge, second_job
from sn37.ports.errors import ModelRejected
from sn37.testing.builders import a_competition, a_task, an_entry_key, hex_digest
from sn37.testing.tiny_models import a_real_job
from tests.integration.scorer.harness import everything, hostile

ALICE: EntryKey = an_entry_key()


def claims(function: str, job: ScoringJob) -> list[BlockLosses]:
    async def run() -> list[BlockLosses]:
        async with hostile(function) as scorer:
            return await everything(scorer, job)

    return asyncio.run(run())


def lack(blocks: list[BlockLosses]) -> float:
    return missing_bits(control for block in blocks for control in block.controls)


@pytest.mark.parametrize("function", ["claim_nothing", "claim_half", "claim_a_little_less"])
def test_t50_claims_below_the_entropy_of_controls_are_found(llama: Path, function: str) -> None:
    assert lack(claims(function, a_real_job(llama))) > 0


def test_t50_a_worker_that_is_honest_about_controls_alone_is_below_the_floor(llama: Path) -> None:
    job = a_real_job(llama)
    blocks = claims("claim_for_samples_only", job)
    assert lack(blocks) < 0
    rules = a_competition(
        tasks=tuple(
            a_task(b.task, method=b.method, num_samples=len(b.samples), weight=0.5)
            for b in job.batches
        )
    )
    assert "below the floor" in implausibility(blocks, rules)


def test_t50_and_above_the_floor_a_second_implementation_contradicts_it(llama: Path) -> None:
    job = a_real_job(llama)
    chosen = drawn_samples([(b.task, len(b.samples)) for b in job.batches], hex_digest("seed"))
    ours = [
        replace(block, losses=tuple(2 * x for x in block.losses))
        for block in claims("claim_for_samples_only", job)
    ]
    theirs = claims("agree", second_job(job, chosen))
    assert judge(ALICE, compared(chosen, ours, theirs), {}).view is View.DIFFERS


def test_t50_controls_that_were_not_asked_for_are_refused(llama: Path) -> None:
    with pytest.raises(ModelRejected) as caught:
        claims("claim_more_controls", a_real_job(llama))
    assert caught.value.reason is Reason.UNLOADABLE
