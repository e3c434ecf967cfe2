"""Our loading against transformers' own, and what ours refuses besides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from sn37.adapters.cuda import loading
from sn37.testing.tiny_models import ARCHITECTURES, save_model

WEIGHTS = "model.safetensors"
CPU = torch.device("cpu")
YARN = {
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 128,
    "rope_theta": 10000.0,
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{family: (family, {}) for family in ARCHITECTURES},
    "llama, tied": ("llama", {"tie_word_embeddings": True}),
    "llama, yarn": ("llama", {"rope_parameters": YARN}),
    "gemma, untied": ("gemma", {"tie_word_embeddings": False}),
    "gpt_neox, tied": ("gpt_neox", {"tie_word_embeddings": True}),
    "falcon, alibi": ("falcon", {"alibi": True}),
}


def load(folder: Path, family: str = "llama", dtype: str = "float32") -> PreTrainedModel:
    return loading.load_model(
        folder,
        architecture=ARCHITECTURES[family],
        max_parameters=10_000_000,
        dtype=dtype,
        device=CPU,
    )


def contents(model: PreTrainedModel) -> dict[str, tuple[torch.dtype, bytes]]:
    """Every parameter and buffer, tied ones under all their names, bit for bit."""
    named = [
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ]
    return {
        name: (
            value.dtype,
            value.detach().flatten().contiguous().view(torch.uint8).numpy().tobytes(),
        )
        for name, value in named
    }


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("stored", "wanted"),
    [("float32", "float32"), ("bfloat16", "bfloat16"), ("float32", "bfloat16")],
)
def test_a_model_is_bit_for_bit_what_transformers_loads(
    tmp_path: Path, case: str, stored: str, wanted: str
) -> None:
    family, shape = CASES[case]
    save_model(tmp_path, family, dtype=loading.DTYPES[stored], **shape)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=loading.DTYPES[wanted])
    ours = load(tmp_path, family, wanted)
    assert contents(ours) == contents(theirs)
    assert type(ours) is type(theirs)
    assert ours.config._attn_implementation == theirs.config._attn_implementation
    assert not ours.training
    assert not any(p.requires_grad for p in ours.parameters())
