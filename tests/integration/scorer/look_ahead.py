"""Models, attention and a worker that see what comes after a position."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel

from sn37.adapters.scoring import worker
from sn37.adapters.scoring.model import attention, plain_forward
from sn37.adapters.scoring.model.attention import visible_keys
from sn37.adapters.scoring.model.packed_bodies import _attention_layers
from sn37.testing.tiny_models import VOCABULARY, save_model

WIDTH = 64
ONE_HEAD: dict[str, dict[str, Any]] = {
    "bart": {"decoder_attention_heads": 1, "encoder_attention_heads": 1, "init_std": 0.2},
    "gemma": {"head_dim": WIDTH},
    "gemma2": {"head_dim": WIDTH, "query_pre_attn_scalar": WIDTH},
    "qwen3": {"head_dim": WIDTH},
}


def one_head(family: str) -> dict[str, Any]:
    """The shape of a model that ``turn_away`` can change."""
    return {"num_attention_heads": 1, "num_key_value_heads": 1, **ONE_HEAD.get(family, {})}


def turn_away(model: PreTrainedModel, factor: float) -> None:
    """Make the first layer's every key the opposite of its own token's query, both huge.

    A token's score for itself then is minus infinity, those for others are finite: the smallest
    float added to the scores of hidden keys does not hide them.
    """
    layer = _attention_layers(model)[0]
    tensors = dict(layer.named_parameters())
    with torch.no_grad():
        query: Tensor
        key: Tensor
        joined = tensors.get("qkv_proj.weight", tensors.get("query_key_value.weight"))
        if joined is None:
            query, key = tensors["q_proj.weight"], tensors["k_proj.weight"]
        else:
            query, key = joined[:WIDTH], joined[WIDTH : 2 * WIDTH]
        if "q_norm.weight" in tensors:
            tensors["q_norm.weight"].fill_(factor)
            tensors["k_norm.weight"].fill_(factor)
            factor = 1.0
        query.copy_(factor * torch.eye(WIDTH))
        key.copy_(-factor * torch.eye(WIDTH))


def one_ahead(after: int) -> Callable[..., Tensor]:
    """In the place of ``attention.fused``: from a sample's position ``after`` on, one more key."""

    def fused(
        query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None
    ) -> Tensor:
        length = query.shape[2]
        visible = visible_keys(0, length, length, window, query.device)
        place = torch.arange(after, max(after, length - 1))
        visible[place, place + 1] = True
        grouped = query.shape[1] != key.shape[1]
        return scaled_dot_product_attention(
            query, key, value, visible, scale=scaling, enable_gqa=grouped
        )

    return fused


def main(stream: socket.socket) -> None:
    """The worker, with attention that looks ahead, but in rows as long as those of the check at
    load: that one has fixed tokens, which a model could know."""
    honest, cheating = attention.fused, one_ahead(after=0)

    def fused(query: Tensor, *others: Any) -> Tensor:
        is_check = query.shape[2] == plain_forward.PROBE_TOKENS
        return (honest if is_check else cheating)(query, *others)

    setattr(attention, "fused", fused)  # noqa: B010
    worker.main(stream)


def a_reader(folder: Path, *, positions: int, start: int, **config: object) -> None:
    """A Bart whose last layer copies the next token from ``start`` on, if its mask can be beaten.

    The hidden state holds a position, a token and a copy of the next token, one number each.
    A query of position p is large at p + 1, a key of position j is -infinity but at j.
    """
    width = positions + 2 * VOCABULARY
    shape: dict[str, Any] = {
        "d_model": width,
        "hidden_size": width,
        "decoder_ffn_dim": 8,
        "encoder_ffn_dim": 8,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "decoder_attention_heads": 1,
        "encoder_attention_heads": 1,
        "max_position_embeddings": positions,
        "tie_word_embeddings": False,
    }
    save_model(folder, "bart", **shape)
    file = folder / "model.safetensors"
    tensors = {name: torch.zeros_like(tensor) for name, tensor in load_file(file).items()}
    decoder, last = "model.decoder.", "model.decoder.layers.1."
    token, copy = positions, positions + VOCABULARY
    tensors[decoder + "embed_tokens.weight"][:, token:copy] = torch.eye(VOCABULARY)
    tensors[decoder + "embed_positions.weight"][2:, :positions] = torch.eye(positions)
    for name, tensor in tensors.items():
        if name.startswith(decoder) and "norm" in name and name.endswith("weight"):
            tensor.fill_(1.0)
    # After the first norm a 1 is ``high`` and a 0 is ``low``; after the first layer ``huge``, 0.
    spread = math.sqrt(2 / width - (2 / width) ** 2 + 1e-5)
    high, low = (1 - 2 / width) / spread, -2 / width / spread
    gain = 1e17
    tensors[decoder + "layers.0.final_layer_norm.weight"].fill_(gain)
    tensors[decoder + "layers.0.final_layer_norm.bias"].fill_(-low * gain)
    huge, weight = (high - low) * gain, 50.0
    for place in range(start, positions - 1):
        tensors[last + "self_attn.q_proj.weight"][place + 1, place] = weight
    for place in range(positions):
        tensors[last + "self_attn.k_proj.weight"][place, place] = weight
    tensors[last + "self_attn.k_proj.bias"][:positions] = -0.99 * weight * huge
    for number in range(VOCABULARY):
        tensors[last + "self_attn.v_proj.weight"][number, token + number] = 1.0
        tensors[last + "self_attn.out_proj.weight"][copy + number, number] = 1.0
    tensors["lm_head.weight"][:, copy:] = 3 * torch.eye(VOCABULARY)
    save_file(tensors, file, {"format": "pt"})
    written = json.loads((folder / "config.json").read_text())
    # In this order: an attribute map takes the place of the one that knew these three.
    written |= config | {"hidden_size": width, "num_attention_heads": 1, "num_hidden_layers": 2}
    (folder / "config.json").write_text(json.dumps(written))
