"""Comparison of our losses with the model's own forward pass, which its users run. Child side.

``LossModel`` packs rows, has its own attention and head, and changes the precision between
products. It must still score the published model: before the changes, a few short rows of tokens
go through transformers' own forward, and afterwards through ours.

Shapes: T tokens of a row, V vocabulary.
"""

# ruff: noqa: N806  (shape letters)

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from transformers import PreTrainedModel

from sn37.adapters.scoring.model import precision
from sn37.adapters.scoring.model.check_time import counted
from sn37.adapters.scoring.model.encoding import Encoded
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.domain.reasons import Reason

PROBE_ROWS = 2
PROBE_TOKENS = 64
_STRIDE = 7919  # a prime: spreads a row over the vocabulary
# Allowed difference of a row's mean, as a share of the larger one, by the type to which inputs of
# products are rounded. In float32 the same products are added in another order: at most 4e-8 over
# all architectures, eight layers, weights of deviation 0.02 to 0.4, both dtypes. A GPU's float16
# (precision), imitated: at most 0.0082, at a deviation of 0.4, where a model of random weights
# multiplies every error.
TOLERANCE = {torch.float32: 1e-4, torch.float16: 0.02}


class Scorer(Protocol):
    """A scorer of samples with our own arithmetic."""

    def nats(self, samples: Sequence[Encoded]) -> list[float]:
        """Return the sum of -log p over each sample's scored tokens, in the given order."""
        ...


def probe_rows(*, vocabulary: int, max_tokens: int) -> tuple[Encoded, ...]:
    """Return rows by a fixed rule, at most as long as the model and the competition allow."""
    length = max(2, min(PROBE_TOKENS, max_tokens))
    return tuple(
        Encoded(
            ids=tuple((row + 1 + _STRIDE * (row + 1) * t) % vocabulary for t in range(length)),
            first=1,
            num_bytes=length,
            unscored_bytes=0,
        )
        for row in range(PROBE_ROWS)
    )


@counted
@torch.inference_mode()
def plain_nats(model: PreTrainedModel, rows: Sequence[Encoded]) -> list[float]:
    """Return the sum of -log p over each row's scored tokens by ``model.forward``, row by row.

    Attention, head and everything between are transformers' own. A bfloat16 model is permanently
    changed to compute in float32 between its products (``precision.prepare``): its weights are
    the same, and the noise of 8 bits does not affect the comparison. The logits of a whole row
    are in memory at once, and their logarithms are taken in float32.
    """
    if model.dtype is torch.bfloat16:
        precision.prepare(model, torch.float32)
    found = []
    for row in rows:
        ids_1T = torch.tensor([row.ids], device=model.device)
        logits_TV = model(input_ids=ids_1T, use_cache=False).logits[0]
        log_p_TV = logits_TV[row.first - 1 : -1].float().log_softmax(dim=-1)
        chosen_T = log_p_TV.gather(1, ids_1T[0, row.first :].unsqueeze(1))
        found.append(-float(chosen_T.double().sum()))
    return found


@counted
def check_agreement(
    scorer: Scorer, rows: Sequence[Encoded], plain: Sequence[float], products: torch.dtype
) -> None:
    """Compare our losses of ``rows`` with those of the model's own forward.

    Losses that are not finite on both sides are judged where samples are scored.

    Args:
        products: Type to which ``scorer`` rounds the inputs of its products.

    Raises:
        ModelFault: ``unsound``, with both losses.
    """
    for row, theirs, ours in zip(rows, plain, scorer.nats(rows), strict=True):
        one, other = theirs / row.num_scored, ours / row.num_scored
        finite = math.isfinite(one), math.isfinite(other)
        if not any(finite):
            continue
        allowed = TOLERANCE[products] * max(1.0, abs(one), abs(other)) if all(finite) else 0.0
        if not abs(one - other) <= allowed:
            raise ModelFault(
                Reason.UNSOUND,
                f"transformers' own forward gives {one:.4f} nats a token, but the scorer gives "
                f"{other:.4f}; the difference may be {allowed:.4f} at most",
            )
