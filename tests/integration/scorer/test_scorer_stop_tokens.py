"""A score knows no stop tokens of a miner, no budget of tokens, and no clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.scoring.jobs import BlockLosses, ScoringJob
from sn37.testing.tiny_models import a_real_job, save_model, save_tokenizer
from tests.integration.scorer.miner_stops import (
    edit,
    every_token_stops,
    nothing_stops,
    texts_and_a_clock_stop,
)


def scored(scorer: WorkerScorer, job: ScoringJob) -> list[BlockLosses]:
    async def run() -> list[BlockLosses]:
        async with aclosing(scorer.score(job)) as blocks:
            return [block async for block in blocks]

    return asyncio.run(run())


def a_model(folder: Path) -> ScoringJob:
    save_model(folder)
    save_tokenizer(folder)
    return a_real_job(folder)


def another_end_in_the_config(folder: Path) -> None:
    edit(folder / "config.json", eos_token_id=7, bos_token_id=9, pad_token_id=3)


@pytest.mark.parametrize(
    "change", [every_token_stops, nothing_stops, texts_and_a_clock_stop, another_end_in_the_config]
)
def test_t14_no_stop_token_or_budget_of_a_miner_changes_a_loss(
    change: Callable[[Path], None], warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    plain = [b.losses for b in scored(warm_scorer, a_model(tmp_path / "plain"))]
    job = a_model(tmp_path / "changed")
    change(tmp_path / "changed")
    assert [b.losses for b in scored(warm_scorer, job)] == plain


def test_t14_how_long_it_may_take_changes_no_loss(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    job = a_model(tmp_path / "model")
    longer = replace(job, timeout_s=2 * job.timeout_s)
    first, second = scored(warm_scorer, job), scored(warm_scorer, longer)
    assert [b.losses for b in first] == [b.losses for b in second]
