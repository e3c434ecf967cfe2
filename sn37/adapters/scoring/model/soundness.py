"""Check that the losses of one position are those of a distribution. Child side.

Shapes: P scored positions, R watched ones, V vocabulary.

A few positions of every pack are watched: the head that computes the losses of their targets
also gives, from the same tiles, the loss of every token of the vocabulary. Their exp(-loss) must
sum to 1. This sum is independent of the one that made the losses: it is taken of the losses
themselves, in float64.
"""

# ruff: noqa: N803, N806  (shape letters)

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from sn37.adapters.scoring.model.check_time import counted
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.domain.reasons import Reason

# float32 keeps the sum to 1e-5 over 256,000 tokens. A gap of 1 % is worth 0.01 nats a token.
TOLERANCE = 0.01


@counted
def watched(num_positions: int) -> Sequence[int]:
    """Return the first, the middle and the last position, in ascending order."""
    return sorted({0, num_positions // 2, num_positions - 1})


@counted
def totals(
    nats_P: Tensor, vocabulary_RV: Tensor, rows: Sequence[int], targets: Sequence[int]
) -> Tensor:
    """Return the sum of exp(-loss) at each watched position, on the device of the losses.

    The target's entry is replaced by the loss that is reported for it.

    Args:
        rows: The watched positions.
        targets: Of all positions.
    """
    device = nats_P.device
    places_R = torch.tensor(rows, device=device)
    targets_R = torch.tensor([targets[row] for row in rows], device=device)
    losses_RV = vocabulary_RV.scatter(1, targets_R.unsqueeze(1), nats_P[places_R].unsqueeze(1))
    return losses_RV.neg().double().exp_().sum(dim=1)


@counted
def check_totals(found: Iterable[Tensor]) -> None:
    """Compare the sums of several packs with 1.

    A NaN sum is not checked: the losses of its position are then not finite either.

    Raises:
        ModelFault: ``unsound``.
    """
    sums = torch.cat([torch.ones(1, dtype=torch.float64), *(part.cpu() for part in found)])
    gaps = (sums - 1).abs().nan_to_num(nan=0.0)
    worst = int(gaps.argmax())
    if gaps[worst] > TOLERANCE:
        raise ModelFault(
            Reason.UNSOUND,
            f"the probabilities of all tokens after one text sum to {float(sums[worst]):.6g} "
            "instead of 1: numbers of very different size cancel in its output layer; save the "
            "weights as they were trained, without scaling them",
        )
