"""One measured pass over samples, each in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from sn37.adapters.scoring.model import determinism, loading
from sn37.adapters.scoring.model.encoding import Encoded
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.throughput import peak_flops
from sn37.domain.data.batches import BLOCK_SAMPLES

_P = ParamSpec("_P")
_T = TypeVar("_T")
Dtype = Literal["bfloat16", "float32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What every pass of one benchmark shares."""

    model: Path
    device: str
    dtype: Dtype
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One pass. ``peak_bytes`` is what it took above the loaded model."""

    losses: tuple[float, ...]  # nats per scored token
    wall_s: float
    cpu_s: float
    peak_bytes: int
    load_s: float


def in_a_process(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """``function`` in a fork of this process, which itself runs no operator."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def ours(
    setting: Setting,
    samples: Sequence[Encoded],
    *,
    products: torch.dtype | None = None,
    pack_tokens: int | None = None,
) -> Measurement:
    """The worker's own code, in blocks as the validator streams them.

    Args:
        products: Instead of the device's, as ``LossModel`` has it; so is ``pack_tokens``.
    """
    device = determinism.configure(device=setting.device, threads=setting.threads)
    began = time.perf_counter()
    model = loading.load_model(
        setting.model,
        architecture=architecture_of(setting.model),
        max_parameters=10**12,
        dtype=setting.dtype,
        device=device,
    )
    wait(device)
    load_s = time.perf_counter() - began
    scorer = LossModel(model, products=products, pack_tokens=pack_tokens)

    def score(chosen: Sequence[Encoded]) -> list[float]:
        found = []
        for first in range(0, len(chosen), BLOCK_SAMPLES):
            block = chosen[first : first + BLOCK_SAMPLES]
            nats = scorer.nats(block)
            found += [n / s.num_scored for n, s in zip(nats, block, strict=True)]
        return found

    return _measured(score, samples, device, load_s)


def plain(setting: Setting, samples: Sequence[Encoded], dtype: Dtype) -> Measurement:
    """One sample at a time through transformers, cross entropy of the full logits."""
    torch.set_num_threads(setting.threads)
    device = torch.device(setting.device)
    began = time.perf_counter()
    # The reference in float32 has the same weights: rounded to the setting's dtype first.
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        setting.model, dtype=loading.DTYPES[setting.dtype], use_safetensors=True
    )
    module: nn.Module = model  # transformers' wrapper of to() has lost its types
    module.to(dtype=loading.DTYPES[dtype], device=device).eval()
    wait(device)
    load_s = time.perf_counter() - began

    @torch.inference_mode()
    def score(chosen: Sequence[Encoded]) -> list[float]:
        found = []
        for sample in chosen:
            ids = torch.tensor([sample.ids], device=device)
            labels = ids.clone()
            labels[:, : sample.first] = -100
            logits = model(input_ids=ids).logits
            shifted = logits[:, :-1].contiguous()
            loss = cross_entropy(shifted.view(-1, shifted.shape[-1]), labels[:, 1:].reshape(-1))
            found.append(float(loss))
        return found

    return _measured(score, samples, device, load_s)


def matmul_peak(device: str, threads: int) -> float:
    """FLOP/s of the fastest large product, float32 or bfloat16, best of ten."""
    torch.set_num_threads(threads)
    return peak_flops(torch.device(device))


def flops(setting: Setting, samples: Sequence[Encoded]) -> float:
    """What scoring needs: 2 per weight of the body and token, 2 per weight of the head and
    scored token, 2 x hidden x tokens^2 per layer for causal attention."""
    config = AutoConfig.from_pretrained(setting.model)
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    head = config.vocab_size * config.hidden_size
    embeddings = head if config.tie_word_embeddings else 2 * head
    body = model.num_parameters() - embeddings
    width = config.num_attention_heads * (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    total = 0.0
    for sample in samples:
        length = len(sample.ids)
        total += 2 * body * length + 2 * head * sample.num_scored
        total += 2 * config.num_hidden_layers * width * length**2
    return total


def _measured(
    score: Callable[[Sequence[Encoded]], list[float]],
    samples: Sequence[Encoded],
    device: torch.device,
    load_s: float,
) -> Measurement:
    before = reset_peak(device)
    score(samples[:1])  # what libraries set up at their first call
    wait(device)
    began, cpu_began = time.perf_counter(), time.process_time()
    losses = score(samples)
    wait(device)
    return Measurement(
        losses=tuple(losses),
        wall_s=time.perf_counter() - began,
        cpu_s=time.process_time() - cpu_began,
        peak_bytes=peak_bytes(device) - before,
        load_s=load_s,
    )


def reset_peak(device: torch.device) -> int:
    """Forget the peak of memory so far; bytes in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    Path("/proc/self/clear_refs").write_text("5")
    return _resident("VmRSS")


def peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _resident("VmHWM")


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) << 10
    raise OSError(f"/proc/self/status has no {field}")


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def architecture_of(model: Path) -> str:
    """The class that a model's config names."""
    config = AutoConfig.from_pretrained(model)
    return str(config.architectures[0])
