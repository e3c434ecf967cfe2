"""Cost of a control for a model, in bits, where all of its text is paid for. Child side.

The bound on controls is about texts, while a model scores tokens. With a model's own tokenizer,
the bits of a sample are those of a message from which its text can be restored (``encoding``),
and the same holds for a control. With a prescribed tokenizer only tokens are paid for. There,
each word that the tokens do not restore in its place costs eight bits a byte, including its
space, so that all texts together still have a probability of at most one.

Controls are short, and a forward pass of few tokens costs nearly as much as one of many. So the
controls of ``GROUP`` blocks share a pass. The cost of a control does not depend on the others,
like a sample's loss; each is reported with its own block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest

from sn37.adapters.scoring.messages import MAX_CONTROL_BITS, BlockOrder
from sn37.adapters.scoring.model.check_time import counted
from sn37.adapters.scoring.model.encoding import BITS_PER_BYTE, Encoded, Encoder, encode_pairs
from sn37.adapters.scoring.model.plain_forward import Scorer
from sn37.adapters.scoring.model.template import Shape
from sn37.domain.scoring.controls import NUM_LEADING, words_of

# Blocks: as many as there are kinds of controls in turn. A larger group would score controls of
# many blocks that an entry never reaches if it is stopped early.
GROUP = 4


class ControlCosts:
    """The bits of a job's controls.

    Controls are never packed with samples, since that would change the last bits of their losses.
    A group depends only on its blocks' numbers, so that a resumed job has the same packs and bits.

    Args:
        blocks: All of the job, including those to be skipped.
        shape: Of the template; not needed for texts.
    """

    def __init__(
        self,
        blocks: Sequence[BlockOrder],
        shape: Shape | None,
        encoder: Encoder,
        scorer: Scorer,
    ) -> None:
        self._blocks = blocks
        self._shape = shape
        self._encoder = encoder
        self._scorer = scorer
        self._first = 0  # of the group in ``_found``
        self._found: list[tuple[float, ...]] = []

    @counted
    def of(self, number: int) -> tuple[float, ...]:
        """Return the bits of one block's controls, in their order."""
        first = number // GROUP * GROUP
        if first != self._first or not self._found:
            self._first, self._found = first, self._costs(self._blocks[first : first + GROUP])
        return self._found[number - first]

    def _costs(self, blocks: Sequence[BlockOrder]) -> list[tuple[float, ...]]:
        encoded = [
            list(encode_pairs(block.controls, block.method, self._shape, self._encoder))
            for block in blocks
        ]
        nats = iter(self._scorer.nats([control for block in encoded for control in block]))
        return [
            tuple(
                control_bits(self._encoder, control, text, next(nats))
                for control, (_, text) in zip(controls, block.controls, strict=True)
            )
            for controls, block in zip(encoded, blocks, strict=True)
        ]


def control_bits(encoder: Encoder, encoded: Encoded, text: str, nats: float) -> float:
    """Return the bits of a control whose scored tokens cost ``nats``.

    Args:
        text: Of the control that was encoded as ``encoded``.
    """
    if encoder.pays_by_byte:
        bits = encoder.loss(encoded, nats) * encoded.num_bytes
    else:
        found = encoder.decoded(encoded.ids[encoded.first :])
        bits = (nats + encoded.extra) / math.log(2) + _lost_bits(text, found)
    return min(bits, MAX_CONTROL_BITS) if math.isfinite(bits) else MAX_CONTROL_BITS


def _lost_bits(text: str, found: str) -> int:
    """Return the charge for text that the scored tokens, decoded as ``found``, do not restore.

    Words are compared from the end, since a token in front may have served as context.
    """
    words = words_of(text)[NUM_LEADING:]
    if not found.rstrip().endswith("."):
        return BITS_PER_BYTE * len(text)
    theirs = list(reversed(words_of(found)))[: len(words)]
    pairs = zip_longest(reversed(words), theirs)
    return sum(BITS_PER_BYTE * (len(word) + 1) for word, other in pairs if word != other)
