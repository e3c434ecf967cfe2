"""Sums of -log p over the scored tokens of samples, in batches fixed by the samples. Child side.

Shapes: B sequences of a batch, T tokens of the longest, D hidden, V vocabulary, P positions
that are scored, over the whole batch.

Sequences are padded on the right. A causal model's output at a position does not depend on
what follows, so padding needs no mask. The head, which for most models costs the most
memory, sees only positions whose next token is scored, and its logits exist for
``HEAD_ELEMENTS`` numbers at a time.
"""

# ruff: noqa: N803, N806, N815  (shape letters)

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from sn37.adapters.cuda.faults import ModelFault
from sn37.adapters.cuda.loading import vocabulary
from sn37.adapters.cuda.prompting import Encoded
from sn37.domain.reasons import Reason

BATCH_TOKENS = 4096  # padded tokens of a batch; a longer sample is a batch of its own
HEAD_ELEMENTS = 1 << 24  # float32 logits at once: 64 MiB


class _Fixed(nn.Module):
    """Stands in for a model's body and returns hidden states computed before."""

    hidden_1PD: Tensor

    def forward(self, *_: object, **__: object) -> BaseModelOutputWithPast:
        return BaseModelOutputWithPast(last_hidden_state=self.hidden_1PD)


class LossModel:
    """A causal language model cut into its body and its head.

    The head is the model's own ``forward`` over hidden states that are given, so whatever an
    architecture does to its logits (scaling, soft caps) is done here too.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        """Raises: ModelFault: ``unloadable``: the model has no body of its own."""
        body = model.base_model
        if body is model:
            raise ModelFault(Reason.UNLOADABLE, f"{type(model).__name__} has no separate body")
        self._body = body
        self._head = model
        self._fixed = _Fixed()
        self._device = model.device
        self._vocabulary = vocabulary(model)
        setattr(model, model.base_model_prefix, self._fixed)

    def nats(self, samples: Sequence[Encoded]) -> list[float]:
        """Sum of -log p over each sample's scored tokens, in the order given.

        Equal sequences of samples give bit-identical sums. NaN and infinity are returned.
        """
        sums = [0.0] * len(samples)
        for batch in batches(samples):
            chosen = [samples[i] for i in batch]
            for index, value in zip(batch, self._batch(chosen), strict=True):
                sums[index] = value
        return sums

    @torch.inference_mode()
    def _batch(self, samples: Sequence[Encoded]) -> list[float]:
        width = max(len(s.ids) for s in samples)
        ids_BT = torch.tensor([(*s.ids, *[0] * (width - len(s.ids))) for s in samples])
        rows_P = [row for row, s in enumerate(samples) for _ in range(s.num_scored)]
        before_P = [t - 1 for s in samples for t in range(s.first, len(s.ids))]
        targets = torch.tensor([t for s in samples for t in s.ids[s.first :]])
        body = self._body(input_ids=ids_BT.to(self._device), use_cache=False)
        hidden_PD = body[0][rows_P, before_P]
        nats_P = self._surprise(hidden_PD, targets.to(self._device)).double().cpu()
        counts = [s.num_scored for s in samples]
        return [float(part.sum()) for part in torch.split(nats_P, counts)]

    def _surprise(self, hidden_PD: Tensor, targets_P: Tensor) -> Tensor:
        """-log p of each target, by float32 log-sum-exp whatever the dtype of the logits."""
        step = max(1, HEAD_ELEMENTS // self._vocabulary)
        chunks = []
        for first in range(0, len(targets_P), step):
            hidden, target = hidden_PD[first : first + step], targets_P[first : first + step]
            self._fixed.hidden_1PD = hidden.unsqueeze(0)
            logits = self._head(input_ids=target.unsqueeze(0), use_cache=False).logits
            logits_PV = logits.squeeze(0).float()
            picked = logits_PV.gather(1, target.unsqueeze(1)).squeeze(1)
            chunks.append(logits_PV.logsumexp(dim=1) - picked)
        return torch.cat(chunks)


def batches(samples: Sequence[Encoded]) -> Iterator[list[int]]:
    """Indices of samples with something to score, longest first, within ``BATCH_TOKENS``."""
    order = sorted(
        (i for i, s in enumerate(samples) if s.num_scored), key=lambda i: (-len(samples[i].ids), i)
    )
    batch: list[int] = []
    for index in order:
        if batch and len(samples[batch[0]].ids) * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
