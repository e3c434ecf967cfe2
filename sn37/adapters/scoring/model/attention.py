"""Attention over packed rows: each sample sees only itself, causally. Child side.

transformers would build a T x T mask for a packed row and compute all of it. In some paths it
adds the smallest float to a score, but a visible key's score may be lower still. Here the row is
cut at the samples' bounds, and each piece goes through torch's fused attention with its causal
flag, which skips the upper triangle. A piece may see another one before it (``packing``).
Additions of some architectures are computed here: a sliding window shorter than the piece, and the
soft cap of Gemma 2, which no fused kernel offers.

Pieces are padded with zeros to a multiple of ``precision.ROW_STEP``: the last bits of a kernel's
sums depend on the piece's length, which would tell a model how many tokens follow.

A hidden key is not in the product, or its score is minus infinity, so its weight is exactly 0
whatever the scores are. One thing passes through a weight of 0: an infinite or NaN value, since
its product with 0 is NaN. That makes losses NaN and improves none; ``careful`` avoids it.

Shapes: H heads, G key/value heads, T tokens of the row, L of one sample, D a head's width.
"""

# ruff: noqa: N803, N806  (shape letters)

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from sn37.adapters.scoring.model.answering.cache import KeyValueCache
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.packing import Piece
from sn37.adapters.scoring.model.precision import ROW_STEP, multiply
from sn37.domain.reasons import Reason

NAME = "sn37_packed"
# Architectures whose attention is exactly what ``attend`` computes once it is registered, by the
# code of transformers 5.23 and tests against float64. ``packed_bodies`` has the additions for
# Bart and Falcon; no other architecture is scored.
PACKED = frozenset(
    {
        "GPTNeoXForCausalLM",
        "Gemma2ForCausalLM",
        "GemmaForCausalLM",
        "LlamaForCausalLM",
        "MistralForCausalLM",
        "Phi3ForCausalLM",
        "PhiForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen3ForCausalLM",
    }
)
CAPPED_ROWS = 256  # queries whose soft-capped scores exist at once: H x 256 x L numbers


class PackedAttention:
    """The attention of one model; ``pieces`` are those of the next row.

    Rows of generated sequences have a ``cache`` and no pieces. ``shapes`` has the number of
    key/value heads of each layer and their width, known after a row.

    With ``careful``, a token whose key or value is not finite has no effect before its own place,
    and turns all places that see it into NaN.

    Args:
        products: Type to which queries, keys and values are rounded. The fused kernel adds in
            float32 and rounds its weights and its result to the same type.
        layers: The attention modules in the order in which they must run.
    """

    def __init__(self, products: torch.dtype, layers: Sequence[nn.Module]) -> None:
        self.pieces: Sequence[Piece] = ()
        self.careful = False
        self.cache: KeyValueCache | None = None
        self.shapes: list[tuple[int, int]] = [(0, 0)] * len(layers)
        self._products = products
        self._layers = [id(layer) for layer in layers]
        self._ran: list[int] = []
        AttentionInterface.register(NAME, self.attend)
        AttentionMaskInterface.register(NAME, no_mask)

    def check_all_ran(self) -> None:
        """Check after a row that every layer ran this attention, once.

        Raises:
            ModelFault: ``unsound``.
        """
        ran, self._ran = self._ran, []
        if ran != self._layers:
            raise ModelFault(
                Reason.UNSOUND,
                f"{len(ran)} of {len(self._layers)} layers ran the validator's attention",
            )

    def attend(
        self,
        module: nn.Module,
        query_1HTD: Tensor,
        key_1GTD: Tensor,
        value_1GTD: Tensor,
        attention_mask: None,
        *,
        scaling: float | None = None,
        sliding_window: int | None = None,
        softcap: float | None = None,
        **_: object,
    ) -> tuple[Tensor, None]:
        """Implement transformers' attention interface: (1, T, H, D), and no attention weights."""
        self._ran.append(id(module))
        whole = [x.to(self._products) for x in (query_1HTD, key_1GTD, value_1GTD)]
        if id(module) not in self._layers:
            raise ModelFault(Reason.UNSOUND, "attention outside the model's layers")
        layer = self._layers.index(id(module))
        self.shapes[layer] = (key_1GTD.shape[1], key_1GTD.shape[3])
        if self.cache is not None:
            found_1THD = self.cache.attend(
                layer, *whole, scaling=scaling, window=sliding_window, softcap=softcap
            )
            return found_1THD, None
        output_1THD = torch.empty_like(whole[0].transpose(1, 2))
        for part in self.pieces:
            num_seen, num_new = part.seen_stop - part.seen_start, part.stop - part.start
            missing = -(num_seen + num_new) % ROW_STEP
            query, key, value = (pad(_joined(x, part), (0, 0, 0, missing)) for x in whole)
            window = sliding_window if (sliding_window or 0) < num_seen + num_new else None
            broken = None
            if self.careful:
                key, value, broken = _without_broken(key, value, window)
            if softcap is None:
                piece = fused(query, key, value, scaling, window)
            else:
                piece = _capped(query, key, value, scaling, window, softcap)
            if broken is not None:
                piece.masked_fill_(broken, torch.nan)
            new_1LHD = piece.transpose(1, 2)[:, num_seen : num_seen + num_new]
            output_1THD[:, part.start : part.stop] = new_1LHD
        return output_1THD, None


def _joined(x: Tensor, piece: Piece) -> Tensor:
    """Return the rows of a piece after those that it sees.

    Their attention is computed once more, so that a piece has the bits that it would have with
    them in a row of its own.
    """
    new = x[:, :, piece.start : piece.stop]
    if piece.seen_start == piece.seen_stop:
        return new
    return torch.cat((x[:, :, piece.seen_start : piece.seen_stop], new), dim=2)


def no_mask(*_: object, **__: object) -> None:
    """Return no mask: ``pieces`` has the row's structure already."""


def fused(
    query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None
) -> Tensor:
    """Return causal attention of one sample, (1, H, L, D), by torch's kernel; differentiable."""
    if window is None:
        return scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=scaling, enable_gqa=_is_grouped(query, key)
        )
    length = query.shape[2]
    mask_LL = visible_keys(0, length, length, window, query.device)
    if query.is_cuda and _is_grouped(query, key):
        # No GPU kernel accepts both groups and a mask: torch would store all H x L x L scores.
        key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], 1) for x in (key, value))
    return scaled_dot_product_attention(
        query, key, value, mask_LL, scale=scaling, enable_gqa=_is_grouped(query, key)
    )


def _without_broken(
    key: Tensor, value: Tensor, window: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return keys and values with 0 for non-finite ones, and the queries (L, 1) that see them."""
    numbers_1GL = torch.isfinite(key).all(dim=3) & torch.isfinite(value).all(dim=3)
    up_to_L = (~numbers_1GL.all(dim=1)).squeeze(0).cumsum(dim=0)
    seen_L = up_to_L.clone()
    if window is not None:
        seen_L[window:] -= up_to_L[:-window]
    key, value = (x.nan_to_num(0.0, 0.0, 0.0) for x in (key, value))
    return key, value, (seen_L > 0).unsqueeze(1)


def _capped(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float | None,
    window: int | None,
    softcap: float,
) -> Tensor:
    """Return softmax(cap * tanh(q k / cap)) v (Gemma 2, arXiv 2408.00118, section 2.3)."""
    heads, length = query.shape[1], query.shape[2]
    scale = query.shape[3] ** -0.5 if scaling is None else scaling
    query = query.squeeze(0)
    key, value = (x.squeeze(0).repeat_interleave(heads // x.shape[1], dim=0) for x in (key, value))
    rows = []
    for first in range(0, length, CAPPED_ROWS):
        stop = min(first + CAPPED_ROWS, length)
        scores = multiply(query[:, first:stop], key[:, :stop].transpose(1, 2))
        scores = torch.tanh(scores * (scale / softcap)).mul_(softcap)
        visible = visible_keys(first, stop, stop, window, query.device)
        scores.masked_fill_(~visible, -torch.inf)
        weights = scores.softmax(dim=-1).to(value.dtype)
        rows.append(multiply(weights, value[:, :stop]))
    return torch.cat(rows, dim=1).unsqueeze(0)


def visible_keys(
    first: int, stop: int, num_keys: int, window: int | None, device: torch.device
) -> Tensor:
    """Return a mask of the keys that the queries ``[first, stop)`` see: themselves and earlier
    ones, in a window only the newest ``window`` of them."""
    query = torch.arange(first, stop, device=device).unsqueeze(1)
    key = torch.arange(num_keys, device=device)
    visible = key <= query
    return visible if window is None else visible & (key > query - window)


def _is_grouped(query: Tensor, key: Tensor) -> bool:
    return query.shape[1] != key.shape[1]
