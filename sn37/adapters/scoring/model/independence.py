"""A position's frequencies depend on the position, on nothing else. Child side.

Two of the rotary types change all frequencies with the longest sequence that the model has seen
in the row, or so far: a sample's losses would follow from its neighbours and predecessors, and
from its own length, which tells the beginning how far away the end is. Admission refuses their
names (``config_rope.change``).
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel

from sn37.adapters.scoring.model.check_time import counted
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.domain.reasons import Reason

_FEW = 16  # positions


@counted
def check_positions(model: PreTrainedModel, *, max_tokens: int) -> None:
    """Look at what the loaded model does with its frequencies, whatever its config called them.

    Raises:
        ModelFault: ``bad_config``.
    """
    for module in model.modules():
        if hasattr(module, "inv_freq"):
            _check_tables(module, max_tokens, model.device)


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
