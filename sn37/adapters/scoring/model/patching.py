"""Cost of turning the text that tokens spell into the sample. Child side.

If a tokenizer does not restore a text, the differences are written out in addition to its tokens.
A difference names its place in the sample, the bytes of the sample that it inserts there, and how
many bytes of the spelt text it skips. Its cost is ``16 + log2(n + 1)`` bits for a sample
of n bytes, and 8 bits for every byte that it inserts. Up to 31 bytes on either side are one
difference; one that finds no common text within them inserts all the rest of the sample.

There are at most ``(n + 1) * 32 * 32`` differences that insert given numbers of bytes, of
``2 ** -(16 + log2(n + 1))`` each: all lists of differences together weigh less than 1.02.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count

REACH = 32  # bytes, one more than a difference skips on either side
_ANCHOR = 8  # number of equal bytes that end a difference
_MOST = 64  # differences of one sample; the rest is then written out
_STRIDE = 256
# Places to continue at, the nearest first: bytes to skip in the sample and in the spelt text.
_SKIPS = sorted(
    ((a, b) for a in range(REACH) for b in range(REACH) if a or b),
    key=lambda skip: (sum(skip), skip),
)


@dataclass(frozen=True, slots=True)
class Patch:
    """Differences between a sample and the text that its tokens spell."""

    num_differences: int
    num_bytes: int  # of the sample, written out

    def bits(self, num_bytes: int) -> float:
        """Return the cost in a sample of ``num_bytes``."""
        each = 16 + math.log2(num_bytes + 1)
        return self.num_differences * each + 8 * self.num_bytes


def patch(sample: bytes, spelt: bytes) -> Patch:
    """Find the differences by a fixed rule, from the left; linear in the sample's length."""
    at = there = written = 0
    for number in count():
        same = _equal(sample, spelt, at, there)
        at, there = at + same, there + same
        if at == len(sample) and there == len(spelt):
            return Patch(number, written)
        skip = _skip(sample, spelt, at, there) if number < _MOST else None
        if skip is None:
            return Patch(number + 1, written + len(sample) - at)
        at, there, written = at + skip[0], there + skip[1], written + skip[0]
    raise AssertionError("count() has no end")


def _equal(one: bytes, other: bytes, i: int, j: int) -> int:
    """Return how many bytes agree from ``i`` and ``j`` on."""
    start = i
    while (piece := one[i : i + _STRIDE]) and piece == other[j : j + _STRIDE]:
        i, j = i + len(piece), j + len(piece)
    while i < len(one) and j < len(other) and one[i] == other[j]:
        i, j = i + 1, j + 1
    return i - start


def _skip(sample: bytes, spelt: bytes, at: int, there: int) -> tuple[int, int] | None:
    """Return the nearest place where both continue alike, or end together."""
    left, right = sample[at : at + REACH + _ANCHOR], spelt[there : there + REACH + _ANCHOR]
    for a, b in _SKIPS:
        if a > len(left) or b > len(right):
            continue
        anchor = left[a : a + _ANCHOR]
        if anchor == right[b : b + _ANCHOR] and (
            len(anchor) == _ANCHOR or len(sample) - at - a == len(spelt) - there - b == len(anchor)
        ):
            return a, b
    return None
