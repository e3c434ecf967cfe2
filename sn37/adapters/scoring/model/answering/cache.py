"""Keys and values of generated sequences, and attention over them. Child side.

Every sequence has a slot. A slot's tokens lie in chunks of ``CHUNK`` places, counted from its first
token, so a token's place depends only on its position. Whole chunks enter every product, places
after a token with a weight of exactly 0, and the chunks' sums are added from the first to the last.
So a token's attention has the same bits whatever the other slots hold and however many chunks they
need.

Shapes: c chunks, N sequences, G key/value heads, R queries of one of these, C places of a chunk, D
a head's width, H heads, T tokens of a row, L places of c chunks.
"""

# ruff: noqa: N803, N806  (shape letters)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from sn37.adapters.scoring.model.precision import multiply

CHUNK = 64


@dataclass(frozen=True, slots=True)
class Places:
    """The tokens of a row of one slot's prompt: chunks ``[first, stop)``, up to ``length``."""

    slot: int
    first: int
    stop: int
    length: int


class KeyValueCache:
    """Keys and values of all layers.

    Each row is announced, by ``prompt`` or ``newest``, before it goes through the layers.

    Args:
        shapes: G and D of each layer.
        num_chunks: Of a slot; the longest sequence has ``CHUNK`` times as many tokens.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, int]],
        *,
        num_slots: int,
        num_chunks: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        def empty(heads: int, width: int) -> Tensor:
            size = (num_chunks, num_slots, heads, CHUNK, width)
            return torch.zeros(size, dtype=dtype, device=device)

        self._keys = [empty(*shape) for shape in shapes]
        self._values = [empty(*shape) for shape in shapes]
        self._device = device
        self._num_slots = num_slots
        self.newest(())

    def clear(self, slot: int, first: int) -> None:
        """Forget a slot's values from a chunk on: one that is not finite would pass through a
        weight of 0."""
        for values in self._values:
            values[first:, slot].zero_()

    def copy(self, source: int, slot: int, num_chunks: int) -> None:
        """Give a slot the first chunks of another."""
        for tensors in (self._keys, self._values):
            for tensor in tensors:
                tensor[:num_chunks, slot] = tensor[:num_chunks, source]

    def prompt(self, places: Places) -> None:
        """Prepare for a row of a prompt's tokens, filled up to whole chunks."""
        self._attend = partial(self._of_prompt, places)

    def newest(self, positions: Sequence[int | None]) -> None:
        """Prepare for a row of each slot's newest token, if it has one, in the order of slots.

        The row may have more tokens; what they attend to is zero.
        """
        self._attend = partial(self._of_newest, positions)

    def attend(
        self,
        layer: int,
        query_1HTD: Tensor,
        key_1GTD: Tensor,
        value_1GTD: Tensor,
        *,
        scaling: float | None,
        window: int | None,
        softcap: float | None,
    ) -> Tensor:
        """Store the row's keys and values; return attention over all places up to each token's
        own, (1, T, H, D)."""
        scale = query_1HTD.shape[3] ** -0.5 if scaling is None else scaling
        return self._attend(layer, query_1HTD, key_1GTD, value_1GTD, (scale, window, softcap))

    def _of_prompt(
        self, row: Places, layer: int, query: Tensor, key: Tensor, value: Tensor, how: _How
    ) -> Tensor:
        keys, values = self._keys[layer], self._values[layer]
        heads, groups = query.shape[1], key.shape[1]
        output_1THD = torch.zeros_like(query.transpose(1, 2))
        for chunk in range(row.first, row.stop):
            at = (chunk - row.first) * CHUNK
            count = min(CHUNK, row.length - chunk * CHUNK)
            keys[chunk, row.slot, :, :count] = key[0, :, at : at + count]
            values[chunk, row.slot, :, :count] = value[0, :, at : at + count]
            query_1GRD = query[0, :, at : at + CHUNK].reshape(1, groups, -1, query.shape[3])
            positions_C = torch.arange(CHUNK, device=self._device) + chunk * CHUNK
            found = _attended(
                query_1GRD,
                keys[: chunk + 1, row.slot].unsqueeze(1),
                values[: chunk + 1, row.slot].unsqueeze(1),
                positions_C.repeat(heads // groups).view(1, 1, -1, 1),
                how,
            )
            piece = found.view(heads, CHUNK, -1).transpose(0, 1)
            output_1THD[0, at : at + CHUNK] = piece
        return output_1THD

    def _of_newest(
        self,
        positions: Sequence[int | None],
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        how: _How,
    ) -> Tensor:
        keys, values = self._keys[layer], self._values[layer]
        live = [(slot, at) for slot, at in enumerate(positions) if at is not None]
        slots, chunks, places = (
            torch.tensor(numbers, device=self._device)
            for numbers in zip(*((s, at // CHUNK, at % CHUNK) for s, at in live), strict=True)
        )
        keys[chunks, slots, :, places] = key[0].transpose(0, 1)[slots]
        values[chunks, slots, :, places] = value[0].transpose(0, 1)[slots]
        num_used = 1 + max(at for _, at in live) // CHUNK
        groups, (heads, count, width) = key.shape[1], query.shape[1:]
        query_NGRD = query[0].transpose(0, 1)[: self._num_slots]
        positions_N = torch.tensor([at or 0 for at in positions], device=self._device)
        found = _attended(
            query_NGRD.reshape(self._num_slots, groups, -1, width),
            keys[:num_used],
            values[:num_used],
            positions_N.view(-1, 1, 1, 1),
            how,
        )
        output_1THD = query.new_zeros(1, count, heads, width)
        output_1THD[0, : self._num_slots] = found.view(self._num_slots, heads, width)
        return output_1THD


_How = tuple[float, int | None, float | None]  # scale, window, soft cap


def _attended(
    query_NGRD: Tensor, keys_cNGCD: Tensor, values_cNGCD: Tensor, positions: Tensor, how: _How
) -> Tensor:
    """Return softmax(q k scale) v over the places up to each query's position, (N, G, R, D).

    Args:
        positions: Of the queries, in a shape that broadcasts to (N, G, R, L).
    """
    scale, window, softcap = how
    num_chunks, (count, groups, queries, width) = len(keys_cNGCD), query_NGRD.shape
    query = query_NGRD.expand(num_chunks, -1, -1, -1, -1).reshape(-1, queries, width)
    scores = multiply(query, keys_cNGCD.reshape(-1, CHUNK, width).transpose(1, 2))
    scores = scores.view(num_chunks, count, groups, queries, CHUNK).permute(1, 2, 3, 0, 4)
    scores_NGRL = scores.flatten(3) * (scale if softcap is None else scale / softcap)
    if softcap is not None:
        scores_NGRL.tanh_().mul_(softcap)
    place_L = torch.arange(num_chunks * CHUNK, device=query.device)
    visible = place_L <= positions
    if window is not None:
        visible &= place_L > positions - window
    weights_NGRL = scores_NGRL.masked_fill_(~visible, -torch.inf).softmax(dim=-1)
    weights = weights_NGRL.to(query.dtype).view(count, groups, queries, num_chunks, CHUNK)
    weights = weights.permute(3, 0, 1, 2, 4).reshape(-1, queries, CHUNK)
    parts = multiply(weights, values_cNGCD.reshape(-1, CHUNK, width))
    total, *others = parts.view(num_chunks, count, groups, queries, width).unbind()
    for other in others:
        total = total + other
    return total
