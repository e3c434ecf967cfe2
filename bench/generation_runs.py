"""Generated answers by the worker's code against one at a time through transformers' ``generate``.

Both sides run in processes of their own, in turns, with float32 products. Answers have budgets of
many sizes and no stop token, because random weights would never give one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
from scorer_runs import Setting, architecture_of, in_a_process, wait
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from sn37.adapters.scoring.model import determinism, loading
from sn37.adapters.scoring.model.answering.generation import Generator, Prompt
from sn37.adapters.scoring.model.answering.stopping import Stops
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.model.tokenizing import load_tokenizer
from sn37.domain.data.batches import BLOCK_SAMPLES

LEAST_PROMPT, MOST_PROMPT = 40, 240  # tokens
LEAST_BUDGET, MOST_BUDGET = 32, 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One pass."""

    answers: tuple[tuple[int, ...], ...]
    near_ties: int
    wall_s: float


def generation_figures(setting: Setting, *, count: int, num_runs: int) -> dict[str, float]:
    """Return ``generation_speedup``, ``same_answers_fp32`` and ``near_ties_per_1000``.

    Args:
        count: Number of prompts.
    """
    exact = replace(setting, dtype="float32")
    prompts = some_prompts(count, in_a_process(vocabulary_of, exact.model))
    batched, one_by_one = [], []
    for _ in range(num_runs):
        batched.append(in_a_process(ours, exact, prompts))
        one_by_one.append(in_a_process(plain, exact, prompts))
    pairs = list(zip(batched[0].answers, one_by_one[0].answers, strict=True))
    tokens = sum(len(answer) for answer in batched[0].answers)
    return {
        "generation_speedup": median(p.wall_s for p in one_by_one)
        / median(o.wall_s for o in batched),
        "same_answers_fp32": sum(one == other for one, other in pairs) / len(pairs),
        "near_ties_per_1000": 1000 * batched[0].near_ties / tokens,
    }


def vocabulary_of(model: Path) -> int:
    """Rows of the model's embedding."""
    return int(loading.opened_config(model).vocab_size)


def some_prompts(count: int, vocabulary: int) -> list[Prompt]:
    """Prompts of random tokens, the same at every call."""
    drawn = torch.Generator().manual_seed(0)

    def between(least: int, most: int, size: int = 1) -> list[int]:
        return torch.randint(least, most + 1, (size,), generator=drawn).tolist()

    return [
        Prompt(
            ids=tuple(between(2, vocabulary - 1, between(LEAST_PROMPT, MOST_PROMPT)[0])),
            budget=between(LEAST_BUDGET, MOST_BUDGET)[0],
        )
        for _ in range(count)
    ]


def ours(setting: Setting, prompts: Sequence[Prompt]) -> Generated:
    """The worker's own code, in blocks as the validator streams them."""
    device = determinism.configure(device=setting.device, threads=setting.threads)
    model = loading.load_model(
        setting.model,
        architecture=architecture_of(setting.model),
        max_parameters=10**12,
        dtype=setting.dtype,
        device=device,
    )

    decode = load_tokenizer(setting.model).decode
    generator = Generator(LossModel(model), Stops(tokens=frozenset()), decode)
    generator.answers([replace(prompts[0], budget=2)])  # what libraries set up at their first call
    wait(device)
    began = time.perf_counter()
    found = [
        answer
        for first in range(0, len(prompts), BLOCK_SAMPLES)
        for answer in generator.answers(prompts[first : first + BLOCK_SAMPLES])
    ]
    wait(device)
    return Generated(
        answers=tuple(answer.ids for answer in found),
        near_ties=sum(answer.near_ties for answer in found),
        wall_s=time.perf_counter() - began,
    )


def plain(setting: Setting, prompts: Sequence[Prompt]) -> Generated:
    """One prompt at a time through transformers, with its cache."""
    torch.set_num_threads(setting.threads)
    device = torch.device(setting.device)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        setting.model, dtype=torch.float32, use_safetensors=True
    )
    module: nn.Module = model  # transformers' wrapper of to() has lost its types
    module.to(device).eval()

    @torch.inference_mode()
    def answer(prompt: Prompt) -> tuple[int, ...]:
        ids = torch.tensor([prompt.ids], device=device)
        found = model.generate(  # type: ignore[operator]
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=prompt.budget,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        return tuple(found[0, len(prompt.ids) :].tolist())

    answer(replace(prompts[0], budget=2))
    wait(device)
    began = time.perf_counter()
    answers = tuple(map(answer, prompts))
    wait(device)
    return Generated(answers=answers, near_ties=0, wall_s=time.perf_counter() - began)
