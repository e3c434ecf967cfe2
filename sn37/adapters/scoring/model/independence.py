"""Check that a position's frequencies depend only on the position. Child side.

Two of the rotary types change all frequencies with the longest sequence in the row or so far. A
sample's losses would then depend on its neighbours and predecessors, and on its own length, so
that its first tokens would know how far away the end is. Admission rejects these types
(``config_rope.change``).
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
    """Check the loaded model's frequencies, whatever its config says.

    Raises:
        ModelFault: ``bad_config``.
    """
    for module in model.modules():
        if hasattr(module, "inv_freq"):
            _check_tables(module, max_tokens, model.device)


@torch.inference_mode()
def _check_tables(module: nn.Module, max_tokens: int, device: torch.device) -> None:
    """Check that the first positions have one table before, in and after a row of full length."""
    like = torch.empty(0, device=device)
    positions = torch.arange(max_tokens, device=device).unsqueeze(0)
    tables = [module(like, positions[:, :stop]) for stop in (_FEW, max_tokens, _FEW)]
    for other in tables[1:]:
        for one, changed in zip(tables[0], other, strict=True):
            if not torch.equal(one, changed[:, : one.shape[1]]):
                raise ModelFault(
                    Reason.BAD_CONFIG, f"rotary frequencies change within {max_tokens} tokens"
                )
