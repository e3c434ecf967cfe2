"""What controls cost, several blocks' in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.scoring.answers import asked_of
from sn37.adapters.scoring.control_costs import GROUP, ControlCosts
from sn37.adapters.scoring.model.encoding import Encoded, Encoder
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.model.template import shape_of
from sn37.adapters.scoring.model.tokenizing import load_tokenizer
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.scoring.controls import KINDS
from sn37.domain.scoring.jobs import BlockLosses, ScoringJob
from sn37.testing.tiny_models import TEMPLATE, VOCABULARY, a_real_job
from tests.integration.scorer.harness import everything
from tests.integration.scorer.textbook import a_model


class Passes:
    """A scorer that counts how often it is asked."""

    def __init__(self, scorer: LossModel) -> None:
        self._scorer = scorer
        self.sizes: list[int] = []

    def nats(self, samples: Sequence[Encoded]) -> list[float]:
        self.sizes.append(len(samples))
        return self._scorer.nats(samples)


def many_blocks(folder: Path) -> ScoringJob:
    """Ten blocks of two tasks."""
    job = a_real_job(folder)
    return replace(
        job, batches=tuple(replace(b, samples=(b.samples * 4)[:75]) for b in job.batches)
    )


def test_a_group_has_one_control_of_each_turn() -> None:
    assert len(KINDS) == GROUP


@pytest.mark.parametrize("prescribed", [True, False])
def test_controls_that_share_a_pass_cost_what_each_costs_alone(
    tmp_path: Path, warm_scorer: WorkerScorer, prescribed: bool
) -> None:
    model = a_model(tmp_path, "llama")
    tokenizer = load_tokenizer(tmp_path)
    encoder = Encoder(tokenizer, prescribed=prescribed, max_tokens=256, vocabulary=VOCABULARY)
    shape = shape_of(TEMPLATE, tokenizer.special_tokens)
    job = many_blocks(tmp_path)
    blocks = warm_scorer._order(job, asked_of(job)).blocks
    assert len(blocks) == 10
    passes = Passes(LossModel(model))
    together = ControlCosts(blocks, shape, encoder, passes)
    found = [together.of(number) for number in range(len(blocks))]
    assert passes.sizes == [4, 4, 2]
    assert [together.of(number) for number in range(8, 10)] == found[8:]
    assert len(passes.sizes) == 3
    for number, block in enumerate(blocks):
        alone = ControlCosts((block,), shape, encoder, passes).of(0)
        assert found[number] == pytest.approx(alone, rel=1e-5)
        assert len(alone) == 1


async def test_a_resumed_job_has_the_same_losses_and_controls(
    warm_scorer: WorkerScorer, llama: Path
) -> None:
    def told(blocks: list[BlockLosses]) -> list[BlockLosses]:
        return [replace(block, seconds=0.0) for block in blocks]

    job = many_blocks(llama)
    whole = told(await everything(warm_scorer, job))
    assert all(len(block.controls) == 1 for block in whole)
    for num_done in (1, 4, 7):
        resumed = told(await everything(warm_scorer, replace(job, skip_blocks=num_done)))
        assert resumed == whole[num_done:]
