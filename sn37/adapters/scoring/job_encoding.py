"""Encoding of all samples of an order as tokens, before the first is scored. Child side.

A text that a tokenizer loses or cannot encode costs bits (``encoding``) and convicts nobody. A
model's own tokenizer is rejected if it fails on more than one in twenty of the probes, plain
English that every honest tokenizer restores, and also of the order's samples. All samples of a
round count, including those of skipped blocks, so that the verdict does not depend on where a
validator was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sn37.adapters.scoring.messages import BlockOrder
from sn37.adapters.scoring.model.encoding import Encoded, Encoder, encode_pairs
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.probes import PROBES
from sn37.adapters.scoring.model.template import Shape
from sn37.domain.reasons import Reason
from sn37.domain.scoring.worst_loss import are_too_many


def encode_blocks(
    blocks: Sequence[BlockOrder], shape: Shape | None, encoder: Encoder
) -> list[list[Encoded]]:
    """Encode every sample, block by block.

    Args:
        shape: Of the template; not needed for texts.

    Raises:
        ModelFault: ``tokenizer``: the model's own tokenizer loses too many texts.
    """
    total = sum(len(block.pairs) for block in blocks)
    is_suspect = encoder.pays_by_byte and _loses_too_many(map(encoder.text, PROBES), len(PROBES))
    encoded: list[list[Encoded]] = []
    num_lost = 0
    for block in blocks:
        encoded.append([])
        for sample in encode_pairs(block.pairs, block.method, shape, encoder):
            encoded[-1].append(sample)
            num_lost += bool(sample.fault)
            if is_suspect and are_too_many(num_lost, total):
                raise ModelFault(
                    Reason.TOKENIZER,
                    f"the tokenizer fails on plain English and on {num_lost} or more of {total} "
                    f"samples: "
                    f"{sample.fault}",
                )
    return encoded


def _loses_too_many(texts: Iterable[Encoded], total: int) -> bool:
    """True if more texts fail than allowed; stops there, since a failure can take a second."""
    num_lost = 0
    for text in texts:
        num_lost += bool(text.fault)
        if are_too_many(num_lost, total):
            return True
    return False
