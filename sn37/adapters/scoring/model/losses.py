"""Sums of -log p over the scored tokens of samples, in packs fixed by the samples. Child side.

Shapes: T tokens of a pack, P of them followed by a scored token, D hidden.

The body runs over packed rows (``packing``, ``packed_bodies``) without key/value cache. The head,
which costs the most for small models, gets only positions whose next token is scored
(``head``). ``precision`` defines the precision of products; sums of loss are float64.
"""

# ruff: noqa: N806  (shape letters)

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sn37.adapters.scoring.model import precision, soundness
from sn37.adapters.scoring.model.encoding import Encoded
from sn37.adapters.scoring.model.head import head_of
from sn37.adapters.scoring.model.packed_bodies import PackedBody
from sn37.adapters.scoring.model.packing import Branches, Pack, Row, packs

# Tokens of a pack. A GPU needs thousands to be busy; on a CPU more gain nothing, and cost
# memory and cache.
PACK_TOKENS = {"cpu": 2048, "cuda": 8192}


class LossModel:
    """A causal language model, split into its body and its head.

    Attributes:
        products: Type to which inputs of products are rounded.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        products: torch.dtype | None = None,
        pack_tokens: int | None = None,
    ) -> None:
        """Change ``model`` for scoring.

        Args:
            products: Replaces the device's precision of products, to measure the difference.
            pack_tokens: Replaces the device's size of packs, likewise.

        Raises:
            ModelFault: As in ``PackedBody``.
        """
        self.device = model.device
        self._pack_tokens = pack_tokens or PACK_TOKENS[self.device.type]
        products = products or precision.product_dtype(model.dtype, self.device)
        self.products = products
        self.body = PackedBody(model, products)
        if products is not model.dtype:
            precision.prepare(model, products)
        self.head = head_of(model, products)

    @torch.inference_mode()
    def nats(self, samples: Sequence[Encoded]) -> list[float]:
        """Return the sum of -log p over each sample's scored tokens, in the given order.

        Equal sequences of samples give bit-identical sums. NaN and infinity are returned.

        Raises:
            ModelFault: ``unsound``: they are not the losses of a distribution.
        """
        return [sums[0] for sums in self._sums(samples)]

    @torch.inference_mode()
    def branch_nats(self, contexts: Sequence[Branches]) -> list[list[float]]:
        """Return the same for each continuation of each context, which is computed once.

        A context whose continuations do not fit in a pack is repeated.

        Raises:
            ModelFault: As ``nats``.
        """
        rows = [list(branches.rows(self._pack_tokens)) for branches in contexts]
        sums = iter(self._sums([row for parts in rows for row in parts]))
        return [[nats for _ in parts for nats in next(sums)] for parts in rows]

    def _sums(self, rows: Sequence[Row]) -> list[list[float]]:
        """Return the sum of -log p over the scored tokens of each part of each row."""
        sums = [[0.0] * len(row.counts) for row in rows]
        # All packs are queued before the first result is awaited.
        pending = [(pack, *self._watched(pack)) for pack in packs(rows, self._pack_tokens)]
        soundness.check_totals(sums_R for _, _, sums_R in pending)
        for pack, nats_P, _ in pending:
            counts = [count for row in pack.samples for count in row.counts]
            parts = iter(torch.split(nats_P.double().cpu(), counts))
            for number, row in zip(pack.numbers, pack.samples, strict=True):
                sums[number] = [float(next(parts).sum()) for _ in row.counts]
        return sums

    @torch.inference_mode()
    def row_nats(
        self, pack: Pack, ids: Sequence[int] | None = None, *, careful: bool = False
    ) -> Tensor:
        """Return -log p of the pack's P scored tokens, float32, on the device.

        Args:
            ids: Replace the row's tokens; the scored tokens stay the same.
            careful: See ``PackedAttention``.
        """
        hidden_PD = self._hidden(pack, ids, careful=careful)
        return self.head.nats(hidden_PD, pack.targets)

    def _watched(self, pack: Pack) -> tuple[Tensor, Tensor]:
        """Return -log p of each target, and the totals of the watched positions."""
        targets = pack.targets
        rows = soundness.watched(len(targets))
        nats_P, vocabulary_RV = self.head.watched_nats(self._hidden(pack), targets, rows)
        return nats_P, soundness.totals(nats_P, vocabulary_RV, rows, targets)

    def _hidden(
        self, pack: Pack, ids: Sequence[int] | None = None, *, careful: bool = False
    ) -> Tensor:
        """Return the hidden states, P x D, before the scored tokens."""
        hidden_TD = self.body(
            self._indices(pack.ids if ids is None else ids),
            self._indices(pack.positions),
            pack.pieces,
            careful=careful,
        )
        return hidden_TD[self._indices(pack.before_scored)]

    def _indices(self, values: Sequence[int]) -> Tensor:
        """Return the values on the device; the copy does not block the host."""
        host = torch.tensor(values)
        if self.device.type == "cpu":
            return host
        return host.pin_memory().to(self.device, non_blocking=True)
