"""A position's frequencies depend on the position, on nothing else. Child side.

Two of the rotary types change all frequencies with the longest sequence that the model has seen
in the row, or so far: a sample's losses would follow from its neighbours and predecessors, and
from its own length, which tells the beginning how far away the end is.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from sn37.adapters.cuda.check_time import counted
from sn37.adapters.cuda.faults import ModelFault
from sn37.domain.reasons import Reason

_FEW = 16  # positions


@counted
def check_positions(model: PreTrainedModel, *, max_tokens: int) -> None:
    """Look at the config's frequencies, and at what the loaded model does with them.

    Raises:
        ModelFault: ``bad_config``.
    """
    _check_types(model.config, max_tokens)
    for module in model.modules():
        if hasattr(module, "inv_freq"):
            _check_tables(module, max_tokens, model.device)


def _check_types(config: PreTrainedConfig, max_tokens: int) -> None:
    # Within the original length both types are plain; beyond it a sample would be scored
    # with the frequencies of its neighbours in the batch or of its predecessors.
    parameters = getattr(config, "rope_parameters", None) or {}
    for rope in (parameters, *parameters.values()):  # some families have one per kind of layer
        if not isinstance(rope, Mapping):
            continue
        kind = str(rope.get("rope_type"))
        if "dynamic" not in kind and kind != "longrope":
            continue
        length = rope.get("original_max_position_embeddings") or config.max_position_embeddings
        length = min(length, config.max_position_embeddings)
        if length < max_tokens:
            raise ModelFault(
                Reason.BAD_CONFIG,
                f"rope type {kind} changes beyond {length} tokens, "
                f"within the competition's {max_tokens}: use default, linear, yarn or llama3",
            )


@torch.inference_mode()
def _check_tables(module: nn.Module, max_tokens: int, device: torch.device) -> None:
    """The first positions have the same table before, within and after a row of full length."""
    like = torch.empty(0, device=device)
    positions = torch.arange(max_tokens, device=device).unsqueeze(0)
    tables = [module(like, positions[:, :stop]) for stop in (_FEW, max_tokens, _FEW)]
    for other in tables[1:]:
        for one, changed in zip(tables[0], other, strict=True):
            if not torch.equal(one, changed[:, : one.shape[1]]):
                raise ModelFault(
                    Reason.BAD_CONFIG, f"rotary positions change within {max_tokens} tokens"
                )
