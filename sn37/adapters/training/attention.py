"""The scorer's attention over packed rows, with a gradient.

Each sample of a row sees only itself. The scorer's own version writes into reused buffers, which
automatic differentiation does not allow.

Shapes: H heads, G key/value heads, T tokens of the row, L of one sample, D a head's width.
"""

# ruff: noqa: N803  (shape letters)

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface

from sn37.adapters.scoring.model.attention import PACKED, fused, no_mask, visible_keys

NAME = "sn37_training"


def can_pack(model: PreTrainedModel) -> bool:
    """True if this module can compute the model's attention."""
    return type(model).__name__ in PACKED


class TrainingAttention:
    """The attention of the model that this process trains; a second one replaces it.

    ``bounds`` are those of the model's next row.
    They must stay until the row's backward pass has ended, which may repeat the forward pass.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.bounds: Sequence[tuple[int, int]] = ()
        AttentionInterface.register(NAME, self.attend)
        AttentionMaskInterface.register(NAME, no_mask)
        model.config._attn_implementation = NAME

    def attend(
        self,
        module: nn.Module,
        query_1HTD: Tensor,
        key_1GTD: Tensor,
        value_1GTD: Tensor,
        attention_mask: None,
        *,
        dropout: float = 0.0,
        scaling: float | None = None,
        sliding_window: int | None = None,
        softcap: float | None = None,
        **_: object,
    ) -> tuple[Tensor, None]:
        """Implement transformers' attention interface: (1, T, H, D), and no attention weights.

        Attention's own dropout is left out, as by the fused kernels of most recipes.
        """
        pieces = []
        lengths = [stop - start for start, stop in self.bounds]
        # Each slice would get a gradient of the whole row, and these would be added.
        parts = (torch.split(x, lengths, dim=2) for x in (query_1HTD, key_1GTD, value_1GTD))
        for query, key, value in zip(*parts, strict=True):
            window = sliding_window if (sliding_window or 0) < query.shape[2] else None
            if softcap is None:
                pieces.append(fused(query, key, value, scaling, window))
            else:
                pieces.append(_capped(query, key, value, scaling, window, softcap))
        return torch.cat(pieces, dim=2).transpose(1, 2).contiguous(), None


def _capped(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float | None,
    window: int | None,
    softcap: float,
) -> Tensor:
    """Return softmax(cap * tanh(q k / cap)) v (Gemma 2, arXiv 2408.00118, section 2.3)."""
    length = query.shape[2]
    scale = query.shape[3] ** -0.5 if scaling is None else scaling
    key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], dim=1) for x in (key, value))
    scores = torch.tanh((query @ key.transpose(2, 3)).float() * (scale / softcap)) * softcap
    hidden = ~visible_keys(0, length, length, window, query.device)
    weights = scores.masked_fill(hidden, -torch.inf).softmax(dim=-1)
    return weights.to(value.dtype) @ value
