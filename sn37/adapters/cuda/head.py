"""From hidden states to -log p without tokens x vocabulary logits. Child side.

Shapes: P scored positions, D hidden, V vocabulary, C tokens of the vocabulary in one tile.

For an architecture whose logits are one linear map, with or without a soft cap, the
log-sum-exp runs over tiles of the vocabulary with a running maximum and sum in float32
(Milakov and Gimelshein, arXiv 1805.02867), in two buffers that are kept: fresh ones cost more
than the tiles save. The weights of a tile are converted for their product (``precision``). The
target's logit is taken in float32 and put into its tile, so that numerator and denominator
hold the same number. Every other architecture goes through its own
``forward``, a few positions at a time.
"""

# ruff: noqa: N803, N806, N815  (shape letters)

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from sn37.adapters.cuda import precision
from sn37.adapters.cuda.attention import PACKED

# Architectures whose logits are lm_head(hidden), read in transformers 5.23 and checked by
# tests against float64; Gemma 2 then caps them.
LINEAR = PACKED | {"FalconForCausalLM"}
TILE_ELEMENTS = {"cpu": 1 << 21, "cuda": 1 << 27}  # float32 numbers of one tile: 8 and 512 MiB
MIN_TILE = 256  # tokens; below, products lose speed
# A tile's width is a multiple of it: a GPU's fast kernels want rows that begin at 16 bytes, and
# take a sixth of the time of those for any width. A CPU has no such wish.
TILE_STEP = {"cpu": 1, "cuda": 64}


class Head(Protocol):
    """The part of a model that follows its hidden states."""

    def nats(self, hidden_PD: Tensor, targets: Sequence[int]) -> Tensor:
        """-log p of each target, float32, on the model's device."""
        ...


def head_of(model: PreTrainedModel, products: torch.dtype) -> Head:
    """The head for the architecture of ``model``."""
    output: object = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if type(model).__name__ in LINEAR and isinstance(output, nn.Linear):
        softcap = getattr(model.config, "final_logit_softcapping", None)
        return TiledHead(output, products=products, softcap=softcap)
    return ForwardHead(model)


class TiledHead:
    """Logits that are a linear map of the hidden states, tile by tile."""

    def __init__(
        self,
        layer: nn.Linear,
        *,
        products: torch.dtype,
        softcap: float | None = None,
        tile_elements: int | None = None,
    ) -> None:
        """Args: tile_elements: numbers of one tile, by default what suits the device."""
        self._weight_VD = layer.weight
        self._bias_V: Tensor | None = layer.bias
        self._products = products
        self._softcap = softcap
        self._scale = precision.scale_of(layer.weight) if products is torch.float16 else 1.0
        self._max_elements = tile_elements or TILE_ELEMENTS[layer.weight.device.type]
        self._step = TILE_STEP[layer.weight.device.type]
        self._buffers: dict[str, Tensor] = {}

    def nats(self, hidden_PD: Tensor, targets: Sequence[int]) -> Tensor:
        """See :meth:`Head.nats`."""
        device = hidden_PD.device
        rows_by_tile, width = self._plan(targets)
        targets_P = torch.tensor(targets, device=device)
        input_PD = hidden_PD
        if self._products is torch.float16:
            input_PD = precision.to_half(hidden_PD, 1 / self._scale)
            # The target sees the same rounding: what moves all logits alike cancels.
            hidden_PD = input_PD.float().mul_(self._scale)
        chosen_P = self._target_logits(hidden_PD, targets_P)
        top_P = torch.full_like(chosen_P, -torch.inf)
        sum_P = torch.zeros_like(chosen_P)
        for tile, rows in enumerate(rows_by_tile):
            first = tile * width
            logits_PC = self._tile(input_PD, first, first + width)
            if rows:
                row = torch.tensor(rows, device=device)
                logits_PC[row, targets_P[row] - first] = chosen_P[row]
            new_P = torch.maximum(top_P, logits_PC.amax(dim=1))
            sum_P.mul_(torch.exp(top_P - new_P))
            sum_P.add_(logits_PC.sub_(new_P.unsqueeze(1)).exp_().sum(dim=1))
            top_P = new_P
        return top_P + sum_P.log() - chosen_P

    def _plan(self, targets: Sequence[int]) -> tuple[list[list[int]], int]:
        """The rows whose target lies in each tile, and a tile's width."""
        vocabulary = self._weight_VD.shape[0]
        width = max(MIN_TILE, self._max_elements // len(targets) // self._step * self._step)
        width = min(vocabulary, width)
        rows: list[list[int]] = [[] for _ in range(0, vocabulary, width)]
        for row, target in enumerate(targets):
            rows[target // width].append(row)
        return rows, width

    def _target_logits(self, hidden_PD: Tensor, targets_P: Tensor) -> Tensor:
        chosen_PD = self._weight_VD[targets_P].float()
        logits_P = chosen_PD.mul_(hidden_PD).sum(dim=1)
        if self._bias_V is not None:
            logits_P += self._bias_V[targets_P]
        return self._cap(logits_P)

    def _tile(self, input_PD: Tensor, first: int, stop: int) -> Tensor:
        """float32 logits of the vocabulary's tokens ``[first, stop)``, in a buffer."""
        weight_CD = self._weight_VD[first:stop]
        if weight_CD.dtype is not self._products:
            stored_CD = weight_CD
            weight_CD = self._buffer("weight", stored_CD.shape, self._products)
            if self._products is torch.float16:
                precision.to_half(stored_CD, self._scale, out=weight_CD)
            else:
                weight_CD.copy_(stored_CD)
        logits_PC = self._buffer("logits", (input_PD.shape[0], weight_CD.shape[0]), torch.float32)
        precision.multiply(input_PD, weight_CD.t(), out=logits_PC)
        if self._bias_V is not None:
            logits_PC += self._bias_V[first:stop]
        return self._cap(logits_PC)

    def _cap(self, logits: Tensor) -> Tensor:
        """cap * tanh(logits / cap) (Gemma 2, arXiv 2408.00118, section 2.3), in place."""
        if self._softcap is None:
            return logits
        return logits.div_(self._softcap).tanh_().mul_(self._softcap)

    def _buffer(self, use: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Memory that is kept from tile to tile and pack to pack."""
        count = shape[0] * shape[1]
        kept = self._buffers.get(use)
        if kept is None or kept.numel() < count:
            kept = torch.empty(count, dtype=dtype, device=self._weight_VD.device)
            self._buffers[use] = kept
        return kept[:count].view(shape[0], shape[1])


class ForwardHead:
    """The model's own ``forward`` over hidden states that are given."""

    def __init__(self, model: PreTrainedModel, max_elements: int | None = None) -> None:
        """Takes the body's place in ``model``.

        Args:
            max_elements: Logits at once, by default what suits the device.
        """
        self._model = model
        self._max_elements = max_elements or TILE_ELEMENTS[model.device.type]
        self._given = _Given()
        setattr(model, model.base_model_prefix, self._given)

    def nats(self, hidden_PD: Tensor, targets: Sequence[int]) -> Tensor:
        """See :meth:`Head.nats`."""
        targets_P = torch.tensor(targets, device=hidden_PD.device)
        step = max(1, self._max_elements // self._model.config.vocab_size)
        pieces = []
        for first in range(0, len(targets), step):
            target = targets_P[first : first + step]
            self._given.hidden_1PD = hidden_PD[first : first + step].unsqueeze(0)
            logits = self._model(input_ids=target.unsqueeze(0), use_cache=False).logits
            logits_PV = logits.squeeze(0).float()
            chosen_P = logits_PV.gather(1, target.unsqueeze(1)).squeeze(1)
            pieces.append(logits_PV.logsumexp(dim=1) - chosen_P)
        return torch.cat(pieces)


class _Given(nn.Module):
    """Stands in for a model's body and returns hidden states computed before."""

    hidden_1PD: Tensor

    @property
    def decoder(self) -> _Given:
        """Bart's forward goes around its body to the decoder inside."""
        return self

    def forward(self, *_: object, **__: object) -> BaseModelOutputWithPastAndCrossAttentions:
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=self.hidden_1PD)
