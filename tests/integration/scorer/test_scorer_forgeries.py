"""Weights that forge a loss by arithmetic (THREATS.md, 45), through admission and a worker.

Scores of a model without knowledge are at least log(VOCABULARY) nats a token. Every forgery is
tried twice: under the limits of the schedule, which refuse it, and without limits, where it
gains nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sn37.adapters.admission.examine import examine
from sn37.adapters.scoring.model import loading
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints, NormLimits
from sn37.domain.scoring.jobs import ScoringJob
from sn37.ports.errors import ModelRejected
from sn37.testing.tiny_models import ARCHITECTURES, VOCABULARY, a_real_job, save_tokenizer
from tests.integration.scorer import forgeries
from tests.integration.scorer.forgeries import Edit, forge
from tests.integration.scorer.harness import everything
from tests.integration.scorer.textbook import SAMPLES
from tests.support.device import DEVICE

UNIFORM = math.log(VOCABULARY)
MOST = 1e38
NO_LIMITS = NormLimits(
    soft=MOST,
    hard=MOST,
    largest_matrix=MOST,
    largest_embedding=MOST,
    largest_scale=MOST,
    largest_bias=MOST,
)
WIDE: dict[str, object] = {"hidden_size": 512, "num_hidden_layers": 1}
OF_ALL: dict[str, tuple[Edit, str, dict[str, object]]] = {
    **{f"cancelling, {family}": (forgeries.cancelling, family, {}) for family in ARCHITECTURES},
    **{f"huge, {family}": (forgeries.huge_and_equal, family, {}) for family in ARCHITECTURES},
}
OF_ONE: dict[str, tuple[Edit, str, dict[str, object]]] = {
    "cancelling across the row": (forgeries.cancelling_across_the_row, "llama", {}),
    "cancelling under a high cap": (
        forgeries.cancelling,
        "gemma2",
        {"final_logit_softcapping": 1e4},
    ),
    "outlier": (forgeries.outlier_sets_the_scale, "llama", WIDE),
    "outlier, qwen2": (forgeries.outlier_sets_the_scale, "qwen2", WIDE),
    "outlier, phi": (forgeries.outlier_sets_the_scale, "phi", WIDE),
    "outlier, bart": (forgeries.outlier_sets_the_scale, "bart", {"d_model": 512}),
    "outlier in a row": (forgeries.outlier_in_one_row, "llama", {}),
    "scaled by the norm": (forgeries.scaled_by_the_norm, "llama", {}),
    "scaled by the norm, phi": (forgeries.scaled_by_the_norm, "phi", {}),
    "scaled by the norm, falcon": (forgeries.scaled_by_the_norm, "falcon", {}),
    "huge bias": (forgeries.huge_bias, "phi", {}),
    "bias cancels": (forgeries.bias_cancels, "phi", {}),
    "tied": (forgeries.tied, "llama", {"tie_word_embeddings": True}),
    "wide": (forgeries.cancelling, "llama", WIDE),
}
FORGERIES = OF_ALL | OF_ONE
CASES = [
    *((name, "float32") for name in FORGERIES),
    *((name, "bfloat16") for name in OF_ONE),
    *(
        (f"{name}, {family}", "bfloat16")
        for name in ("cancelling", "huge")
        for family in ("llama", "bart")
    ),
]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@pytest.fixture(scope="module")
def scorers(warm_scorer: WorkerScorer) -> Iterator[dict[str, WorkerScorer]]:
    other = WorkerScorer(device=DEVICE, dtype="bfloat16", threads=1, max_children=10_000)
    yield {"float32": warm_scorer, "bfloat16": other}
    asyncio.run(other.aclose())


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The competition's: losses are nats per token."""
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    return folder


def rules(family: str, norms: NormLimits) -> ModelConstraints:
    return ModelConstraints(
        min_parameters=0,
        max_parameters=10_000_000,
        max_bytes=1 << 30,
        max_tokens=256,
        architectures=frozenset({ARCHITECTURES[family]}),
        norms=norms,
    )


def job(folder: Path, family: str, tokenizer: Path, norms: NormLimits) -> ScoringJob:
    found = a_real_job(folder, architecture=ARCHITECTURES[family], tokenizer=tokenizer)
    return replace(found, constraints=rules(family, norms))


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_t45_a_forged_model_gains_nothing(
    name: str, dtype: str, scorers: dict[str, WorkerScorer], tokenizer: Path, tmp_path: Path
) -> None:
    edit, family, shape = FORGERIES[name]
    forge(tmp_path, edit, family=family, dtype=DTYPES[dtype], shape=shape)
    refusal = examine(tmp_path, rules(family, NormLimits()), weights=True).refusal
    assert refusal is not None
    assert refusal.reason is Reason.NORM
    assert examine(tmp_path, rules(family, NO_LIMITS), weights=True).refusal is None
    asked = job(tmp_path, family, tokenizer, NO_LIMITS)
    blocks = asyncio.run(everything(scorers[dtype], asked))
    losses = [loss for block in blocks for loss in block.losses]
    # A token that a model excludes leaves the others one part in 384 more.
    assert min(losses) > UNIFORM - 0.003


@pytest.mark.parametrize("name", ["cancelling, bart", "scaled by the norm", "huge bias", "tied"])
def test_t45_a_worker_refuses_what_admission_has_not_seen(
    name: str, warm_scorer: WorkerScorer, tokenizer: Path, tmp_path: Path
) -> None:
    edit, family, shape = FORGERIES[name]
    forge(tmp_path, edit, family=family, shape=shape)
    with pytest.raises(ModelRejected, match=r"at most .* is allowed in size") as caught:
        asyncio.run(everything(warm_scorer, job(tmp_path, family, tokenizer, NormLimits())))
    assert caught.value.reason is Reason.NORM


@pytest.mark.parametrize("name", FORGERIES)
def test_t45_nor_does_it_where_products_are_float16(name: str, tmp_path: Path) -> None:
    """As on a GPU. What float16 cannot hold is no number, and no number wins nothing."""
    edit, family, shape = FORGERIES[name]
    forge(tmp_path, edit, family=family, dtype=torch.bfloat16, shape=shape)
    model = loading.load_model(
        tmp_path,
        architecture=ARCHITECTURES[family],
        max_parameters=10**9,
        dtype="bfloat16",
        device=torch.device(DEVICE),
        norms=NO_LIMITS,
    )
    found = LossModel(model, products=torch.float16).nats(SAMPLES)
    for nats, sample in zip(found, SAMPLES, strict=True):
        assert not nats / sample.num_scored <= UNIFORM - 0.003
