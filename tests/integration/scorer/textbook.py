"""Tiny models, samples, and their losses by the textbook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from sn37.adapters.scoring.model.encoding import Encoded
from sn37.testing.tiny_models import ARCHITECTURES, VOCABULARY, save_model
from tests.support.device import DEVICE

FAMILIES = tuple(ARCHITECTURES)


def a_sample(length: int, first: int = 1, step: int = 7) -> Encoded:
    ids = tuple((3 + length + step * t) % VOCABULARY for t in range(length))
    return Encoded(ids=ids, first=first, num_bytes=length, unscored_bytes=0)


SAMPLES = (a_sample(40), a_sample(2), a_sample(17, first=9), a_sample(61, first=30), a_sample(5))


def by_the_book(model: PreTrainedModel, samples: Sequence[Encoded]) -> list[float]:
    """Each sample alone, full logits, in float64 on the CPU."""
    module: nn.Module = model  # transformers' wrapper of to() has lost its types
    module.to("cpu", torch.float64)
    found = []
    for sample in samples:
        with torch.no_grad():
            logits = model(torch.tensor([sample.ids]), use_cache=False).logits[0]
        log_p = logits.log_softmax(dim=-1)
        scored = range(sample.first, len(sample.ids))
        found.append(-sum(float(log_p[t - 1, sample.ids[t]]) for t in scored))
    return found


def a_model(
    folder: Path, family: str, dtype: torch.dtype = torch.float32, **shape: Any
) -> PreTrainedModel:
    # Weights as large as trained ones: with the tiny default every loss is log(vocabulary).
    model = save_model(
        folder, family, seed=0, dtype=dtype, template=None, **({"initializer_range": 0.2} | shape)
    )
    model.requires_grad_(False)
    model.train(mode=False)
    module: nn.Module = model  # transformers' wrapper of to() has lost its types
    module.to(DEVICE)
    return model
