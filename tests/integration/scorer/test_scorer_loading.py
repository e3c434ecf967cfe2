"""Our loading against transformers' own, and what ours refuses besides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from sn37.adapters.scoring.model import loading
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.independence import check_positions
from sn37.adapters.scoring.model.loading import check_configs
from sn37.domain.reasons import Reason
from sn37.testing.tiny_models import ARCHITECTURES, save_model
from tests.support.device import DEVICE

WEIGHTS = "model.safetensors"
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
}


def load(
    folder: Path, family: str = "llama", dtype: str = "float32", device: str = DEVICE
) -> PreTrainedModel:
    return loading.load_model(
        folder,
        architecture=ARCHITECTURES[family],
        max_parameters=10_000_000,
        dtype=dtype,
        device=torch.device(device),
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
            value.detach().cpu().flatten().contiguous().view(torch.uint8).numpy().tobytes(),
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


@pytest.mark.parametrize("kept", ["lm_head.weight", "model.embed_tokens.weight", None])
def test_tied_weights_may_be_stored_once_under_either_name_or_twice(
    tmp_path: Path, kept: str | None
) -> None:
    model = save_model(tmp_path, tie_word_embeddings=True)
    stored = load_file(tmp_path / WEIGHTS)
    table = stored.pop("model.embed_tokens.weight")
    for name in ("lm_head.weight", "model.embed_tokens.weight"):
        if kept in (None, name):
            stored[name] = table.clone()
    save_file(stored, tmp_path / WEIGHTS, {"format": "pt"})
    loaded = load(tmp_path)
    assert contents(loaded) == contents(model)
    assert loaded.num_parameters() == model.num_parameters()


def test_shards_and_odd_offsets_change_nothing(tmp_path: Path) -> None:
    model = save_model(tmp_path, dtype=torch.bfloat16)
    model.save_pretrained(tmp_path, max_shard_size="60kB")
    (tmp_path / WEIGHTS).unlink()
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 2
    body = shards[0].read_bytes()
    length = int.from_bytes(body[:8], "little")
    # One more space in the header: every tensor of the shard now begins at an odd byte.
    shards[0].write_bytes(
        (length + 1).to_bytes(8, "little") + body[8 : 8 + length] + b" " + body[8 + length :]
    )
    assert contents(load(tmp_path, dtype="bfloat16")) == contents(model)


def test_a_model_is_judged_before_its_tensors_are_read(tmp_path: Path) -> None:
    save_model(tmp_path)
    (tmp_path / WEIGHTS).unlink()  # nothing but the config is needed for these
    with pytest.raises(ModelFault) as caught:
        loading.load_model(
            tmp_path,
            architecture="LlamaForCausalLM",
            max_parameters=1000,
            dtype="float32",
            device=torch.device(DEVICE),
        )
    assert caught.value.reason is Reason.PARAMETERS
    with pytest.raises(ModelFault) as caught:
        load(tmp_path, "mistral")
    assert caught.value.reason is Reason.ARCHITECTURE


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_positions_depend_on_nothing_but_themselves(tmp_path: Path, family: str) -> None:
    save_model(tmp_path, family)
    check_positions(load(tmp_path, family), max_tokens=512)


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_t46_frequencies_that_follow_the_longest_sample_are_found(
    tmp_path: Path, kind: str
) -> None:
    scale = {"short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
    rope = {"rope_type": kind, "factor": 4.0, "rope_theta": 1e4}
    if kind == "longrope":
        rope |= scale | {"original_max_position_embeddings": 200}
    save_model(tmp_path, max_position_embeddings=200, rope_parameters=rope)
    check_configs(tmp_path, max_tokens=200)
    with pytest.raises(ModelFault, match="beyond 200 tokens") as caught:
        check_configs(tmp_path, max_tokens=201)
    assert caught.value.reason is Reason.BAD_CONFIG
    # Whatever name a config gives it, what the loaded model does is tried.
    check_positions(load(tmp_path), max_tokens=200)
    with pytest.raises(ModelFault, match="rotary frequencies change within 201"):
        check_positions(load(tmp_path), max_tokens=201)


def test_weights_of_the_right_dtype_are_the_mapped_file_read_only(tmp_path: Path) -> None:
    save_model(tmp_path)
    for dtype, expected in (("float32", True), ("bfloat16", False)):
        model = load(tmp_path, dtype=dtype, device="cpu")
        weight = model.get_input_embeddings().weight
        assert isinstance(weight, torch.Tensor)
        assert is_mapped_read_only(weight.data_ptr(), tmp_path / WEIGHTS) is expected


def is_mapped_read_only(address: int, path: Path) -> bool:
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, mode, *rest = line.split()
        first, last = (int(bound, 16) for bound in bounds.split("-"))
        if first <= address < last:
            return rest[-1:] == [str(path)] and mode.startswith("r--")
    return False
