"""All samples of an order as tokens, before the first is scored. Child side.

A text that a tokenizer loses or cannot encode is paid for (``prompting``) and convicts nobody.
A tokenizer of the model's own is refused when it fails on more than one in twenty of the
probes, plain English that every honest one gives back, and of the order's samples. All samples
of a round are looked at, those of blocks that are skipped included: the verdict does not depend
on where a validator was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sn37.adapters.scoring.messages import BlockOrder
from sn37.adapters.scoring.model.encoding import Encoded, Encoder
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.probes import PROBES
from sn37.adapters.scoring.model.template import Shape
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import Method
from sn37.domain.scoring.worst_loss import are_too_many


def encode_blocks(
    blocks: Sequence[BlockOrder], shape: Shape | None, encoder: Encoder
) -> list[list[Encoded]]:
    """Every sample, block by block.

    Args:
        shape: Of the template; not needed for texts.

    Raises:
        ModelFault: ``tokenizer``: one of the model's own loses too many texts.
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
                    f"it fails on plain English and on {num_lost} of {total} samples or more: "
                    f"{sample.fault}",
                )
    return encoded


def encode_pairs(
    pairs: Iterable[tuple[str, str]], method: Method, shape: Shape | None, encoder: Encoder
) -> Iterator[Encoded]:
    """Samples, or what is to be scored like them, as (prompt, text)."""
    for prompt, text in pairs:
        if method is Method.TEXT_LOSS or shape is None:
            yield encoder.text(text)
        else:
            yield encoder.pair(shape, prompt, text)


def _loses_too_many(texts: Iterable[Encoded], total: int) -> bool:
    """Whether more fail than may; stops there, since a failure can take a second."""
    num_lost = 0
    for text in texts:
        num_lost += bool(text.fault)
        if are_too_many(num_lost, total):
            return True
    return False
