"""Sums of -log p over the scored tokens of samples, in packs fixed by the samples. Child side.

Shapes: T tokens of a pack, P of them followed by a scored token, D hidden.

The body runs over packed rows (``packing``, ``attention``) without key/value cache; the head,
which for small models costs the most, sees only positions whose next token is scored
(``head``). Products are taken in the precision of ``precision``, sums of loss in float64.
"""

# ruff: noqa: N806  (shape letters)

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sn37.adapters.cuda import attention, precision, soundness
from sn37.adapters.cuda.faults import ModelFault
from sn37.adapters.cuda.head import head_of
from sn37.adapters.cuda.packing import Pack, packs
from sn37.adapters.cuda.prompting import Encoded
from sn37.domain.reasons import Reason

# Tokens of a pack. A GPU needs thousands to be busy; on a CPU more gains nothing, and costs
# memory and cache.
PACK_TOKENS = {"cpu": 2048, "cuda": 8192}


class LossModel:
    """A causal language model cut into its body and its head."""

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        products: torch.dtype | None = None,
        pack_tokens: int | None = None,
    ) -> None:
        """Changes ``model``.

        Args:
            products: Other than the device's, to measure what that changes.
            pack_tokens: Likewise.

        Raises:
            ModelFault: ``unloadable``: the model has no body of its own.
        """
        body = model.base_model
        if body is model:
            raise ModelFault(Reason.UNLOADABLE, f"{type(model).__name__} has no separate body")
        self._body = body
        self._device = model.device
        self._attention: attention.PackedAttention | None = None
        self._pack_tokens = 0
        products = products or precision.product_dtype(model.dtype, self._device)
        if type(model).__name__ in attention.PACKED:
            self._attention = attention.PackedAttention(products)
            model.config._attn_implementation = attention.NAME
            self._pack_tokens = pack_tokens or PACK_TOKENS[self._device.type]
        if products is not model.dtype:
            precision.prepare(model, products)
        self._head = head_of(model, products)

    @torch.inference_mode()
    def nats(self, samples: Sequence[Encoded]) -> list[float]:
        """Sum of -log p over each sample's scored tokens, in the order given.

        Equal sequences of samples give bit-identical sums. NaN and infinity are returned.

        Raises:
            ModelFault: ``unsound``: they are not the losses of a distribution.
        """
        sums = [0.0] * len(samples)
        # All packs are queued before the first result is waited for.
        pending = [(pack, *self._pack_nats(pack)) for pack in packs(samples, self._pack_tokens)]
        soundness.check_totals(sums_R for _, _, sums_R in pending)
        for pack, nats_P, _ in pending:
            counts = [sample.num_scored for sample in pack.samples]
            parts = torch.split(nats_P.double().cpu(), counts)
            for number, part in zip(pack.numbers, parts, strict=True):
                sums[number] = float(part.sum())
        return sums

    def _pack_nats(self, pack: Pack) -> tuple[Tensor, Tensor]:
        """Of each target, and the totals of the watched positions."""
        ids_1T = self._indices(pack.ids).unsqueeze(0)
        positions = {}
        if self._attention is not None:
            self._attention.bounds = pack.bounds
            positions["position_ids"] = self._indices(pack.positions).unsqueeze(0)
        body = self._body(input_ids=ids_1T, use_cache=False, **positions)
        hidden_TD: Tensor = body[0].squeeze(0)
        hidden_PD = hidden_TD[self._indices(pack.before_scored)]
        targets = pack.targets
        rows = soundness.watched(len(targets))
        nats_P, vocabulary_RV = self._head.watched_nats(hidden_PD, targets, rows)
        return nats_P, soundness.totals(nats_P, vocabulary_RV, rows, targets)

    def _indices(self, values: Sequence[int]) -> Tensor:
        """On the device, copied while the host goes on."""
        host = torch.tensor(values)
        if self._device.type == "cpu":
            return host
        return host.pin_memory().to(self._device, non_blocking=True)
