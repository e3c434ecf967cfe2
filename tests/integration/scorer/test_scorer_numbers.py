"""Losses against a reference that shares none of our code: float64, one sample at a time.

The reference loads with transformers, computes full logits with its eager attention, and
cuts the window by a rule written down here again. Everything else goes through the production
worker, so these tests hold however it batches.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.data.samples import Sample
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.jobs import ScoringJob
from sn37.testing import builders
from sn37.testing.tiny_models import ARCHITECTURES, a_real_job, save_model, save_tokenizer
from tests.support.device import DEVICE

WINDOW = 200  # tokens; texts below are shorter, as long, and longer
LONG = 2_048
SLIDING = 24  # shorter than most texts
ROPE = {"rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64}
ALTERNATING = ["sliding_attention", "full_attention"]
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{family: (family, {}) for family in ARCHITECTURES},
    "falcon, a key for each head": ("falcon", {"multi_query": False}),
    "falcon, grouped": ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon, grouped, one norm": (
        "falcon",
        {"new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1},
    ),
    "falcon, biases, in turn": ("falcon", {"bias": True, "parallel_attn": False}),
    "bart, scaled": ("bart", {"scale_embedding": True, "activation_function": "relu"}),
    "gemma, untied": ("gemma", {"tie_word_embeddings": False}),
    "gemma2, window": (
        "gemma2",
        {
            "sliding_window": SLIDING,
            "layer_types": ALTERNATING,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
        },
    ),
    "llama, linear": ("llama", {"rope_parameters": {**ROPE, "rope_type": "linear"}}),
    "llama, llama3": (
        "llama",
        {
            "rope_parameters": {
                **ROPE,
                "rope_type": "llama3",
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
            }
        },
    ),
    "llama, yarn": ("llama", {"rope_parameters": {**ROPE, "rope_type": "yarn"}}),
    "mistral, window": ("mistral", {"sliding_window": SLIDING}),
    "phi3, window": ("phi3", {"sliding_window": SLIDING}),
    "qwen2, window": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": SLIDING, "layer_types": ALTERNATING},
    ),
}
# A wide initialisation makes logits, and with them losses, far from uniform.
SPREAD: Mapping[str, Any] = {
    "initializer_range": 0.2,
    "init_std": 0.2,  # Bart's name for it
    "max_position_embeddings": LONG,
}


@pytest.fixture(scope="module")
def half_scorer() -> Iterator[WorkerScorer]:
    scorer = WorkerScorer(device=DEVICE, dtype="bfloat16", threads=1)
    yield scorer
    asyncio.run(scorer.aclose())


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    return folder


def losses(scorer: WorkerScorer, job: ScoringJob) -> dict[str, list[float]]:
    """By task, in the order of its samples."""

    async def run() -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        async with aclosing(scorer.score(job)) as blocks:
            async for block in blocks:
                found.setdefault(block.block.task, []).extend(block.losses)
        return found

    return asyncio.run(run())


def reference(folder: Path, job: ScoringJob, *, prescribed: bool = True) -> dict[str, list[float]]:
    """Each sample's loss by the textbook."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager"
    )
    tokenizer = PreTrainedTokenizerFast.from_pretrained(job.tokenizer or folder)

    def ids(text: str) -> list[int]:
        found = tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        return list(found["input_ids"])

    def loss(context: list[int], text: str) -> float:
        before, target = cut([0, *context], ids(text), job.constraints.max_tokens)
        if not target:
            return 0.0
        with torch.no_grad():
            logits = model(torch.tensor([[*before, *target]]), use_cache=False).logits[0]
        log_p = torch.log_softmax(logits, dim=-1)
        nats = -sum(float(log_p[len(before) + i - 1, token]) for i, token in enumerate(target))
        return nats / len(target) if prescribed else nats / math.log(2) / len(text.encode())

    return {
        batch.task: [
            loss(ids(f"<user>{s.prompt}\n<assistant>"), s.reference)
            if batch.method is Method.REFERENCE_LOSS
            else loss([], s.reference)
            for s in batch.samples
        ]
        for batch in job.batches
    }


def cut(context: list[int], target: list[int], window: int) -> tuple[list[int], list[int]]:
    """BOS stays; then the oldest context goes, but for BOS; then the end of the target."""
    while len(context) > 1 and len(context) + len(target) > window:
        context = [context[0], *context[2:]]
    return context, target[: window - len(context)]


def a_text(seed: int, num_chars: int) -> str:
    """Letters, spaces and characters of two to four bytes: about a token each or more."""
    return "".join(
        random.Random(seed).choices("the modls in ra\u00e9\u6f22\U0001f642", k=num_chars)
    )


def edge_cases() -> list[Sample]:
    """Everything from nothing to more than the window, on either side."""
    shapes = [(0, 0), (0, 1), (1, 0), (1, 1), (30, 9), (9, 60), (150, 70), (300, 20), (5, 300)]
    plain = [(a_text(2 * i, p), a_text(2 * i + 1, r)) for i, (p, r) in enumerate(shapes)]
    special = [("what is <s>?", "</s>"), ("</s><s>", "it begins <s> and </s> goes on")]
    return [
        builders.a_sample(f"row-{i}", prompt=prompt, reference=response)
        for i, (prompt, response) in enumerate([*plain, *special])
    ]


def a_numbers_job(
    model: Path,
    family: str,
    samples: Sequence[Sample],
    *,
    tokenizer: Path | None,
    window: int = WINDOW,
) -> ScoringJob:
    job = a_real_job(
        model, architecture=ARCHITECTURES[family], tokenizer=tokenizer, max_tokens=window
    )
    return replace(
        job,
        batches=tuple(
            builders.a_batch(method.value, method=method, samples=tuple(samples))
            for method in (Method.REFERENCE_LOSS, Method.TEXT_LOSS)
        ),
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_losses_are_those_of_a_plain_loop_whatever_else_is_in_the_job(
    warm_scorer: WorkerScorer,
    half_scorer: WorkerScorer,
    tmp_path: Path,
    tokenizer: Path,
    variant: str,
) -> None:
    family, shape = VARIANTS[variant]
    save_model(tmp_path, family, dtype=torch.bfloat16, **SPREAD, **shape)
    samples = edge_cases()
    job = a_numbers_job(tmp_path, family, samples, tokenizer=tokenizer)
    found = losses(warm_scorer, job)
    assert losses(warm_scorer, job) == found, "the same job again, bit for bit"
    assert found.keys() == {"reference_loss", "text_loss"}

    # The same samples, last first, each behind a neighbour that it has never seen.
    others = [
        builders.a_sample(f"other-{i}", prompt=a_text(70 + i, 8 * i), reference=a_text(90 + i, 40))
        for i in range(len(samples))
    ]
    mixed = [sample for pair in zip(others, reversed(samples), strict=True) for sample in pair]
    again = losses(warm_scorer, a_numbers_job(tmp_path, family, mixed, tokenizer=tokenizer))
    rounded = losses(half_scorer, job)
    expected = reference(tmp_path, job)
    for task, exact in expected.items():
        assert found[task] == pytest.approx(exact, rel=1e-5, abs=1e-12)
        assert again[task][1::2][::-1] == pytest.approx(exact, rel=1e-5, abs=1e-12)
        assert sum(rounded[task]) == pytest.approx(sum(exact), rel=0.005)


@pytest.mark.parametrize("variant", ["llama", "gemma2, window"])
def test_texts_of_two_thousand_tokens(
    warm_scorer: WorkerScorer, tmp_path: Path, tokenizer: Path, variant: str
) -> None:
    family, shape = VARIANTS[variant]
    save_model(tmp_path, family, **SPREAD, **shape)
    samples = [
        builders.a_sample(f"row-{i}", prompt=a_text(i, prompt), reference=a_text(i + 9, response))
        for i, (prompt, response) in enumerate([(30, 900), (700, 500), (3, 5)])
    ]
    job = a_numbers_job(tmp_path, family, samples, tokenizer=tokenizer, window=LONG)
    found, expected = losses(warm_scorer, job), reference(tmp_path, job)
    for task, values in found.items():
        assert values == pytest.approx(expected[task], rel=1e-5)


@pytest.mark.parametrize("variant", ["llama", "gemma2, window"])
def test_with_a_tokenizer_of_its_own_a_model_pays_in_bits_per_byte(
    warm_scorer: WorkerScorer, tmp_path: Path, variant: str
) -> None:
    family, shape = VARIANTS[variant]
    save_model(tmp_path, family, **SPREAD, **shape)
    samples = [s for s in edge_cases() if s.reference]
    job = a_numbers_job(tmp_path, family, samples, tokenizer=None, window=LONG)
    found, expected = losses(warm_scorer, job), reference(tmp_path, job, prescribed=False)
    for task, values in found.items():
        assert values == pytest.approx(expected[task], rel=1e-5)


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_neox"])
def test_a_slightly_damaged_copy_ranks_the_same_in_bfloat16(
    warm_scorer: WorkerScorer,
    half_scorer: WorkerScorer,
    tmp_path: Path,
    tokenizer: Path,
    family: str,
) -> None:
    model = save_model(tmp_path / "good", family, dtype=torch.bfloat16, **SPREAD)
    save_tokenizer(tmp_path / "damaged")
    damage(model)
    model.save_pretrained(tmp_path / "damaged")

    def mean(scorer: WorkerScorer, name: str) -> float:
        job = a_numbers_job(tmp_path / name, family, edge_cases(), tokenizer=tokenizer)
        texts = losses(scorer, job)["text_loss"]
        return sum(texts) / len(texts)

    exact = mean(warm_scorer, "good") - mean(warm_scorer, "damaged")
    rounded = mean(half_scorer, "good") - mean(half_scorer, "damaged")
    assert rounded == pytest.approx(exact, rel=0.2)
    assert abs(exact) > 0


def damage(model: torch.nn.Module) -> None:
    """Move every weight by a tenth of a random amount of its own size."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        for parameter in model.parameters():
            parameter.mul_(1 + 0.1 * torch.randn_like(parameter))


def test_the_receipt_names_what_the_last_bits_depend_on(
    warm_scorer: WorkerScorer, llama: Path
) -> None:
    losses(warm_scorer, a_real_job(llama))
    environment = warm_scorer.environment()
    assert environment["torch"] == torch.__version__
    assert environment["products"] == "float32"
    assert environment["threads"] == "1"
    assert environment["runtime"].startswith(DEVICE)
    assert environment["device"].startswith("cpu ") == (DEVICE == "cpu")
