"""What a control costs a model, in bits, all of its text paid for. Child side.

The bound on controls speaks of texts, a model of tokens. With a tokenizer of the model's own,
the bits of a sample are those of a message from which its text can be restored (``prompting``),
and a control's are taken likewise. With a prescribed one, tokens alone are paid for: there each
word that does not come back from them in its place is charged at eight bits a byte, its space
included, so that all texts together still have a probability of one at most.
"""

from __future__ import annotations

import math
from itertools import zip_longest

from sn37.adapters.cuda.messages import MAX_CONTROL_BITS
from sn37.adapters.cuda.prompting import BITS_PER_BYTE, Encoded, Encoder
from sn37.domain.controls import NUM_LEADING, words_of


def control_bits(encoder: Encoder, encoded: Encoded, text: str, nats: float) -> float:
    """The bits of a control whose scored tokens cost ``nats``.

    Args:
        text: The control's, which ``encoded`` is of.
    """
    if encoder.pays_by_byte:
        bits = encoder.loss(encoded, nats) * encoded.num_bytes
    else:
        found = encoder.decoded(encoded.ids[encoded.first :])
        bits = (nats + encoded.extra) / math.log(2) + _lost_bits(text, found)
    return min(bits, MAX_CONTROL_BITS) if math.isfinite(bits) else MAX_CONTROL_BITS


def _lost_bits(text: str, found: str) -> int:
    """The charge for what the scored tokens, decoded as ``found``, do not give back.

    Words are compared from the end, since a token in front may have served as context.
    """
    words = words_of(text)[NUM_LEADING:]
    if not found.rstrip().endswith("."):
        return BITS_PER_BYTE * len(text)
    theirs = list(reversed(words_of(found)))[: len(words)]
    pairs = zip_longest(reversed(words), theirs)
    return sum(BITS_PER_BYTE * (len(word) + 1) for word, other in pairs if word != other)
