"""Losses against a reference that shares no code: float64, one sample at a time, full logits."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from sn37.adapters.cuda.scorer import WorkerScorer
from sn37.domain.competition import Method
from sn37.domain.scoring import ScoringJob
from sn37.testing import builders
from sn37.testing.tiny_models import a_real_job, save_model, save_tokenizer, some_text

FAMILIES = {
    "llama": "LlamaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gpt_neox": "GPTNeoXForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}


def losses(scorer: WorkerScorer, job: ScoringJob) -> dict[str, list[float]]:
    async def run() -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        async with aclosing(scorer.score(job)) as blocks:
            async for block in blocks:
                found.setdefault(block.block.task, []).extend(block.losses)
        return found

    return asyncio.run(run())


def reference(folder: Path, job: ScoringJob, *, prescribed: bool) -> dict[str, list[float]]:
    """Each sample's loss by the textbook."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager"
    )
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def loss(context: list[int], target: str) -> float:
        tokens = [0, *context, *ids(target)]
        with torch.no_grad():
            logits = model(torch.tensor([tokens]), use_cache=False).logits[0]
        log_p = torch.log_softmax(logits, dim=-1)
        scored = range(1 + len(context), len(tokens))
        nats = -sum(float(log_p[t - 1, tokens[t]]) for t in scored)
        if prescribed:
            return nats / len(scored)
        return nats / math.log(2) / len(target.encode())

    return {
        batch.task: [
            loss(ids(f"<user>{s.prompt}\n<assistant>"), s.reference)
            if batch.method is Method.REFERENCE_LOSS
            else loss([], s.reference)
            for s in batch.samples
        ]
        for batch in job.batches
    }


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prescribed", [True, False], ids=["prescribed", "free"])
def test_losses_are_those_of_a_plain_loop_in_float64(
    warm_scorer: WorkerScorer, tmp_path: Path, family: str, prescribed: bool
) -> None:
    model, tokenizer = tmp_path / "model", tmp_path / "tokenizer"
    # A wide initialisation makes logits, and with them losses, far from uniform.
    save_model(model, family, initializer_range=0.2)
    save_tokenizer(tokenizer)
    job = a_real_job(
        model, architecture=FAMILIES[family], tokenizer=tokenizer if prescribed else None
    )
    found, expected = losses(warm_scorer, job), reference(model, job, prescribed=prescribed)
    assert found.keys() == expected.keys() == {"pairs", "texts"}
    for task, values in found.items():
        assert values == pytest.approx(expected[task], rel=1e-5)
        assert len(set(values)) == len(values)


def test_bfloat16_stays_close_and_ranks_like_float32(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    for name, scale in (("good", 0.0), ("damaged", 0.05)):
        model = save_model(tmp_path / name, initializer_range=0.2)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(1)
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * scale)
        model.save_pretrained(tmp_path / name)
    half = WorkerScorer(device="cpu", dtype="bfloat16", threads=1)

    def mean(scorer: WorkerScorer, name: str) -> float:
        job = a_real_job(tmp_path / name, tokenizer=tmp_path / "good")
        values = losses(scorer, job)["texts"]
        return sum(values) / len(values)

    exact = [mean(warm_scorer, name) for name in ("good", "damaged")]
    rounded = [mean(half, name) for name in ("good", "damaged")]
    asyncio.run(half.aclose())
    assert rounded == pytest.approx(exact, rel=0.005)
    assert (rounded[0] < rounded[1]) == (exact[0] < exact[1])


def test_a_short_empty_or_overlong_text_has_a_finite_loss(
    warm_scorer: WorkerScorer, llama: Path
) -> None:
    references = ("", "a", "</s>", some_text(3, 400))
    samples = tuple(
        builders.a_sample(f"row-{i}", prompt=some_text(1, 100), reference=r)
        for i, r in enumerate(references)
    )
    job = replace(
        a_real_job(llama),
        batches=tuple(
            builders.a_batch(method.value, method=method, samples=samples)
            for method in (Method.REFERENCE_LOSS, Method.TEXT_LOSS)
        ),
    )
    for tokenizer in (None, llama):
        for values in losses(warm_scorer, replace(job, tokenizer=tokenizer)).values():
            assert values[0] == 0.0
            assert all(math.isfinite(v) and v > 0 for v in values[1:])


def test_the_receipt_names_what_the_last_bits_depend_on(
    warm_scorer: WorkerScorer, llama: Path
) -> None:
    losses(warm_scorer, a_real_job(llama))
    environment = warm_scorer.environment()
    assert environment["torch"] == torch.__version__
    assert environment["threads"] == "1"
    assert environment["device"].startswith("cpu ")
