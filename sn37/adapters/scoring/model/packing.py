"""Packing of samples end to end into rows without padding. Child side.

A pack is one row of tokens with whole samples. Each has positions counted from 0 and attention
only to itself (``sn37.adapters.scoring.model.attention``). Packs are filled in the order of the
samples, so their shapes depend only on the samples and the budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sn37.adapters.scoring.model.encoding import Encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Samples that share one forward pass.

    Attributes:
        numbers: Indices of its samples in the packed sequence.
        samples: Those samples.
        bounds: Begin and end of each sample in the row.
    """

    numbers: tuple[int, ...]
    samples: tuple[Encoded, ...]
    bounds: tuple[tuple[int, int], ...]

    @property
    def ids(self) -> list[int]:
        """The row: T token ids."""
        return [token for sample in self.samples for token in sample.ids]

    @property
    def positions(self) -> list[int]:
        """T positions, each sample's from 0."""
        return [t for sample in self.samples for t in range(len(sample.ids))]

    @property
    def before_scored(self) -> list[int]:
        """P places in the row whose next token is scored, sample by sample."""
        return [
            start + t - 1
            for (start, _), sample in zip(self.bounds, self.samples, strict=True)
            for t in range(sample.first, len(sample.ids))
        ]

    @property
    def targets(self) -> list[int]:
        """The P token ids that are scored, in the order of ``before_scored``."""
        return [token for sample in self.samples for token in sample.ids[sample.first :]]


def packs(samples: Sequence[Encoded], max_tokens: int) -> Iterator[Pack]:
    """Yield samples with something to score, in packs of at most ``max_tokens``.

    A longer sample is a pack of its own; so is every sample if ``max_tokens`` is 0.
    """
    numbers: list[int] = []
    total = 0
    for number, sample in enumerate(samples):
        if not sample.num_scored:
            continue
        if numbers and total + len(sample.ids) > max_tokens:
            yield pack(numbers, [samples[n] for n in numbers])
            numbers, total = [], 0
        numbers.append(number)
        total += len(sample.ids)
    if numbers:
        yield pack(numbers, [samples[n] for n in numbers])


def pack(numbers: Sequence[int], samples: Sequence[Encoded]) -> Pack:
    """Return one row of these samples, with the given numbers."""
    ends = tuple(accumulate(len(sample.ids) for sample in samples))
    return Pack(
        numbers=tuple(numbers),
        samples=tuple(samples),
        bounds=tuple(zip((0, *ends[:-1]), ends, strict=True)),
    )
