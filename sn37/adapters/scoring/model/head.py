"""Computation of -log p from hidden states without tokens x vocabulary logits. Child side.

Shapes: P scored positions, D hidden, V vocabulary, C tokens of the vocabulary in one tile, R
watched positions.

For an architecture whose logits are one linear map, with or without a soft cap, the
log-sum-exp runs over tiles of the vocabulary with a running maximum and sum in float32
(Milakov and Gimelshein, arXiv 1805.02867), in two reused buffers: new ones would cost more
than the tiles save. The weights of a tile are converted for their product (``precision``). Every
other architecture uses its own ``forward``, a few positions at a time.

A target's logit is read from the tile that enters the sum. Nothing is computed for the target
alone: a second computation of one number differs from the first, and weights can be chosen so
that it differs by any number of nats. For the same reason no product depends on the targets, and
no product has few rows: libraries add those in another order (``precision.ROW_STEP``).
"""

# ruff: noqa: N803, N806, N815  (shape letters)

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from sn37.adapters.scoring.model import precision
from sn37.adapters.scoring.model.attention import PACKED

# Architectures whose logits are lm_head(hidden), capped or not, by the code of transformers 5.23
# and tests against float64.
LINEAR = PACKED | {"FalconForCausalLM"}
# Those whose code in transformers caps the logits. In other configs the key has no effect.
SOFT_CAPPED = frozenset({"Gemma2ForCausalLM"})
TILE_ELEMENTS = {"cpu": 1 << 21, "cuda": 1 << 27}  # float32 numbers of one tile: 8 and 512 MiB
MIN_TILE = 256  # tokens; products are slower below
# A tile's width is a multiple of it: a GPU's fast kernels need rows that begin at multiples of 16
# bytes, and take a sixth of the time of those for any width. A CPU does not need that.
TILE_STEP = {"cpu": 1, "cuda": 64}


class Head(Protocol):
    """The part of a model that follows its hidden states."""

    def nats(self, hidden_PD: Tensor, targets: Sequence[int]) -> Tensor:
        """Return -log p of each target, float32, on the model's device."""
        ...

    def watched_nats(
        self, hidden_PD: Tensor, targets: Sequence[int], watched: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Return the same, and -log p of every token at the positions ``watched``.

        Both are read from the same tiles: a target's loss equals its entry, bit for bit.
        ``watched`` is ascending.
        """
        ...

    def logits(self, hidden_PD: Tensor) -> Tensor:
        """Return the logits of all tokens, P x V, float32: for few positions."""
        ...


def head_of(model: PreTrainedModel, products: torch.dtype) -> Head:
    """Return the head for the architecture of ``model``."""
    output: object = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    name = type(model).__name__
    if name in LINEAR and isinstance(output, nn.Linear):
        softcap = model.config.final_logit_softcapping if name in SOFT_CAPPED else None
        return TiledHead(output, products=products, softcap=softcap)
    return ForwardHead(model)


class LogSumExp:
    """-log p from logits that arrive tile by tile, for each position's target and for the
    vocabulary of a few positions.

    Args:
        targets_P: Target of each position.
        watched_R: Positions.
        vocabulary: Number of tokens with logits.
    """

    def __init__(self, targets_P: Tensor, watched_R: Tensor, vocabulary: int) -> None:
        count, device = targets_P.shape[0], targets_P.device
        self._targets_P = targets_P
        self._watched_R = watched_R
        self._watched_RV = torch.empty(watched_R.shape[0], vocabulary, device=device)
        # A target that is not a token of the vocabulary has a loss of NaN.
        self._chosen_P = torch.full((count,), torch.nan, device=device)
        # The least number, not -inf: a tile of only -inf has zero probabilities.
        self._top_P = torch.full((count,), torch.finfo(torch.float32).min, device=device)
        self._sum_P = torch.zeros(count, device=device)

    def add(self, logits_PC: Tensor, first: int) -> None:
        """Add the logits of the tokens from ``first`` on; they are overwritten."""
        count = logits_PC.shape[1]
        place_P = self._targets_P - first
        is_here_P = (place_P >= 0) & (place_P < count)
        here_P = logits_PC.gather(1, place_P.clamp(0, count - 1).unsqueeze(1)).squeeze(1)
        self._chosen_P = torch.where(is_here_P, here_P, self._chosen_P)
        self._watched_RV[:, first : first + count] = logits_PC[self._watched_R]
        new_P = torch.maximum(self._top_P, logits_PC.amax(dim=1))
        self._sum_P.mul_(torch.exp(self._top_P - new_P))
        self._sum_P.add_(logits_PC.sub_(new_P.unsqueeze(1)).exp_().sum(dim=1))
        self._top_P = new_P

    def nats(self) -> tuple[Tensor, Tensor]:
        """Return nats of the targets, and of every token at the watched positions.

        Logits are subtracted from each other first. If the logarithm of the sum were added to a
        large logit, it would vanish, and with it the difference between sure and undecided.
        """
        log_P = self._sum_P.log()
        targets_P = (self._top_P - self._chosen_P) + log_P
        top_R1 = self._top_P[self._watched_R].unsqueeze(1)
        return targets_P, (top_R1 - self._watched_RV) + log_P[self._watched_R].unsqueeze(1)


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
        """Args: tile_elements: numbers of one tile; the default suits the device."""
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
        return self.watched_nats(hidden_PD, targets, ())[0]

    def watched_nats(
        self, hidden_PD: Tensor, targets: Sequence[int], watched: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """See :meth:`Head.watched_nats`."""
        input_PD, targets_P = _padded(hidden_PD, targets)
        if self._products is torch.float16:
            input_PD = precision.to_half(input_PD, 1 / self._scale)
        vocabulary = self._weight_VD.shape[0]
        total = LogSumExp(targets_P, _indices(watched, hidden_PD), vocabulary)
        width = self._width(len(targets_P))
        for first in range(0, vocabulary, width):
            total.add(self._tile(input_PD, first, first + width), first)
        nats_P, vocabulary_RV = total.nats()
        return nats_P[: len(targets)], vocabulary_RV

    def logits(self, hidden_PD: Tensor) -> Tensor:
        """See :meth:`Head.logits`."""
        input_PD, targets_P = _padded(hidden_PD, [0] * len(hidden_PD))
        if self._products is torch.float16:
            input_PD = precision.to_half(input_PD, 1 / self._scale)
        vocabulary, width = self._weight_VD.shape[0], self._width(len(targets_P))
        tiles = [
            self._tile(input_PD, first, first + width).clone()
            for first in range(0, vocabulary, width)
        ]
        return torch.cat(tiles, dim=1)[: len(hidden_PD)]

    def _width(self, num_rows: int) -> int:
        """Return the number of tokens of a tile."""
        width = max(MIN_TILE, self._max_elements // num_rows // self._step * self._step)
        return min(self._weight_VD.shape[0], width)

    def _tile(self, input_PD: Tensor, first: int, stop: int) -> Tensor:
        """Return float32 logits of the vocabulary's tokens ``[first, stop)``, in a buffer."""
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
        if self._softcap is not None:
            # cap * tanh(logits / cap) (Gemma 2, arXiv 2408.00118, section 2.3)
            logits_PC.div_(self._softcap).tanh_().mul_(self._softcap)
        return logits_PC

    def _buffer(self, use: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return memory that is reused from tile to tile and pack to pack."""
        count = shape[0] * shape[1]
        kept = self._buffers.get(use)
        if kept is None or kept.numel() < count:
            kept = torch.empty(count, dtype=dtype, device=self._weight_VD.device)
            self._buffers[use] = kept
        return kept[:count].view(shape[0], shape[1])


class ForwardHead:
    """The model's own ``forward`` over given hidden states."""

    def __init__(self, model: PreTrainedModel, max_elements: int | None = None) -> None:
        """Replace the body of ``model``.

        Args:
            max_elements: Number of logits at once; the default suits the device.
        """
        self._model = model
        self._max_elements = max_elements or TILE_ELEMENTS[model.device.type]
        self._given = _Given()
        setattr(model, model.base_model_prefix, self._given)

    def nats(self, hidden_PD: Tensor, targets: Sequence[int]) -> Tensor:
        """See :meth:`Head.nats`."""
        return self.watched_nats(hidden_PD, targets, ())[0]

    def watched_nats(
        self, hidden_PD: Tensor, targets: Sequence[int], watched: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """See :meth:`Head.watched_nats`."""
        hidden_PD, targets_P = _padded(hidden_PD, targets)
        vocabulary = self._model.config.vocab_size
        step = max(1, self._max_elements // vocabulary // precision.ROW_STEP) * precision.ROW_STEP
        pieces = []
        for first in range(0, len(targets_P), step):
            piece_PD = hidden_PD[first : first + step]
            self._given.hidden_1PD = piece_PD.unsqueeze(0)
            # Any ids: the code after the body must not see the targets.
            ids_1P = torch.zeros_like(targets_P[first : first + step]).unsqueeze(0)
            logits_PV = self._model(input_ids=ids_1P, use_cache=False).logits.squeeze(0).float()
            rows = [row - first for row in watched if 0 <= row - first < step]
            total = LogSumExp(
                targets_P[first : first + step], _indices(rows, hidden_PD), logits_PV.shape[1]
            )
            total.add(logits_PV, 0)
            pieces.append(total.nats())
        nats_P, vocabulary_RV = (torch.cat(parts) for parts in zip(*pieces, strict=True))
        return nats_P[: len(targets)], vocabulary_RV

    def logits(self, hidden_PD: Tensor) -> Tensor:
        """See :meth:`Head.logits`."""
        input_PD, targets_P = _padded(hidden_PD, [0] * len(hidden_PD))
        self._given.hidden_1PD = input_PD.unsqueeze(0)
        ids_1P = torch.zeros_like(targets_P).unsqueeze(0)
        logits_PV: Tensor = self._model(input_ids=ids_1P, use_cache=False).logits.squeeze(0)
        return logits_PV.float()[: len(hidden_PD)]


def _padded(hidden_PD: Tensor, targets: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Pad both with rows of zeros to a multiple of ``precision.ROW_STEP``."""
    missing = -len(targets) % precision.ROW_STEP
    targets_P = _indices([*targets, *(0,) * missing], hidden_PD)
    return (pad(hidden_PD, (0, 0, 0, missing)) if missing else hidden_PD), targets_P


def _indices(values: Sequence[int], beside: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.long, device=beside.device)


class _Given(nn.Module):
    """A replacement of a model's body that returns hidden states computed before."""

    hidden_1PD: Tensor

    @property
    def decoder(self) -> _Given:
        """Return itself: Bart's forward uses the decoder inside its body."""
        return self

    def forward(self, *_: object, **__: object) -> BaseModelOutputWithPastAndCrossAttentions:
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=self.hidden_1PD)
