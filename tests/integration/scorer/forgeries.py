"""Models that have learnt nothing and whose weights try to make a loss come out small.

Each has the same hidden state at every position, whatever the text, and an output layer with
equal rows: the probabilities of all tokens are equal, so no token costs less than
log(VOCABULARY) nats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sn37.testing.tiny_models import save_model

GAP = 60.0  # nats that the target is to win where two computations differ
HUGE = 2.0**30
WEIGHTS = "model.safetensors"
Edit = Callable[[dict[str, Tensor]], None]


def blank(
    folder: Path, family: str, dtype: torch.dtype, shape: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Write a model whose hidden states are all 1, and return its tensors.

    Where norms subtract the mean (with a bias), the bias is 1; elsewhere embeddings are.
    """
    save_model(folder, family, dtype=dtype, **{"tie_word_embeddings": False, **shape})
    tensors = load_file(folder / WEIGHTS)
    for name, tensor in tensors.items():
        if is_norm(name) and name.endswith("bias"):
            tensor.fill_(1.0)
        elif is_norm(name):
            # Gemma's norms multiply by one more than their weight.
            tensor.fill_(0.0 if family in ("gemma", "gemma2") else 1.0)
        elif tensor.dim() == 1 or "layers." in name or ".h." in name or "positions" in name:
            tensor.zero_()
        else:
            tensor.fill_(1.0)
    return tensors


def head_of(tensors: Mapping[str, Tensor]) -> Tensor:
    """The weights of the output layer."""
    (name,) = {"lm_head.weight", "embed_out.weight"} & tensors.keys()
    return tensors[name]


def hidden_by(tensors: Mapping[str, Tensor]) -> list[Tensor]:
    """The parameters of norms that are the hidden states."""
    biases = [t for name, t in tensors.items() if is_norm(name) and name.endswith("bias")]
    return biases or [tensors["model.norm.weight"]]


def is_norm(name: str) -> bool:
    return "norm" in name or "ln_" in name


def bias_of(tensors: Mapping[str, Tensor]) -> Tensor:
    return tensors["lm_head.bias"]


def cancelling(tensors: dict[str, Tensor]) -> None:
    """Two huge terms cancel; one order of adding keeps what lies between them."""
    head = head_of(tensors)
    head.zero_()
    head[:, 0], head[:, 8] = HUGE, -HUGE
    head[:, 1:8] = GAP / 7


def cancelling_across_the_row(tensors: dict[str, Tensor]) -> None:
    head = head_of(tensors)
    head.fill_(GAP / head.shape[1])
    head[:, 0], head[:, -1] = HUGE, -HUGE


def huge_and_equal(tensors: dict[str, Tensor]) -> None:
    """log(sum) vanishes beside a logit of 2^40, if the two are ever added."""
    head_of(tensors).fill_(2.0**34)


def outlier_sets_the_scale(tensors: dict[str, Tensor]) -> None:
    """In float16 all other weights vanish beside it; the hidden value that it meets is 0."""
    head = head_of(tensors)
    head.fill_(2.0**12)
    head[:, 0] = 2.0**40
    for states in hidden_by(tensors):
        states.fill_(2.0**-22)
        states[0] = 0.0


def outlier_in_one_row(tensors: dict[str, Tensor]) -> None:
    """The same by a single number. Its token becomes impossible; the others stay equal."""
    head = head_of(tensors)
    head.fill_(1.0)
    head[383, 0] = -(2.0**40)


def scaled_by_the_norm(tensors: dict[str, Tensor]) -> None:
    """Terms that cancel by the scales of the last norm, over a head of ordinary size."""
    head = head_of(tensors)
    head.fill_(0.5)
    for states in hidden_by(tensors):
        states.fill_(GAP / 32)
        states[0], states[8] = HUGE, -HUGE


def huge_bias(tensors: dict[str, Tensor]) -> None:
    head_of(tensors).fill_(0.01)
    bias_of(tensors).fill_(2.0**34)


def bias_cancels(tensors: dict[str, Tensor]) -> None:
    cancelling(tensors)
    head_of(tensors)[:, 8] = 0.0
    bias_of(tensors).fill_(-HUGE)


def tied(tensors: dict[str, Tensor]) -> None:
    """Embeddings that are the head too: their hidden states, times the norm's scales, cancel."""
    rows = tensors["model.embed_tokens.weight"]
    rows.fill_(GAP)
    rows[:, 0], rows[:, 8] = HUGE, HUGE
    norm = tensors["model.norm.weight"]
    norm.fill_(2.0**24)
    norm[0], norm[8] = 1.0, -1.0


def forge(
    folder: Path,
    edit: Edit,
    *,
    family: str = "llama",
    dtype: torch.dtype = torch.float32,
    shape: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write the model to ``folder``."""
    tensors = blank(folder, family, dtype, shape)
    edit(tensors)
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})
