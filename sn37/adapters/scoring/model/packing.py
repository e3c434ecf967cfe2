"""Packing of samples end to end into rows without padding. Child side.

A pack is one row of tokens with whole samples. Each has positions counted from 0 and attention
only to itself (``sn37.adapters.scoring.model.attention``). Packs are filled in the order of the
samples, so their shapes depend only on the samples and the budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from sn37.adapters.scoring.model.encoding import Encoded


class Piece(NamedTuple):
    """Tokens ``[start, stop)`` of a row that see each other causally.

    They also see all tokens ``[seen_start, seen_stop)`` as if these stood immediately before them.
    """

    start: int
    stop: int
    seen_start: int = 0
    seen_stop: int = 0

    def moved(self, by: int) -> Piece:
        """Return the piece for a row in which ``by`` tokens precede."""
        return Piece(*(place + by for place in self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """A context of at least one token, and the scored tokens of each of its continuations.

    No continuation is empty. The last token of one is scored but never seen, so continuations of
    one token, like most letters, add nothing to the row: one pass over a question scores them all.
    """

    context: tuple[int, ...]
    ends: tuple[tuple[int, ...], ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """The row: the context, then each continuation without its last token."""
        return (*self.context, *(token for end in self.ends for token in end[:-1]))

    @property
    def positions(self) -> Sequence[int]:
        """Position of each token of the row."""
        first = len(self.context)
        return [*range(first), *(first + t for end in self.ends for t in range(len(end) - 1))]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces of attention, from the beginning of the row."""
        context = Piece(0, len(self.context))
        branches = (
            Piece(start, start + len(end) - 1, *context[:2])
            for start, end in zip(self._starts(), self.ends, strict=True)
            if len(end) > 1
        )
        return (context, *branches)

    @property
    def before_scored(self) -> Sequence[int]:
        """Places in the row whose next token is scored, one continuation after the other.

        The last of the context is there once for each continuation.
        """
        last = len(self.context) - 1
        return [
            place
            for start, end in zip(self._starts(), self.ends, strict=True)
            for place in (last, *range(start, start + len(end) - 1))
        ]

    @property
    def targets(self) -> Sequence[int]:
        """The token that is scored at each of these places."""
        return [token for end in self.ends for token in end]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of scored tokens of each continuation."""
        return tuple(map(len, self.ends))

    @property
    def num_scored(self) -> int:
        return sum(self.counts)

    def rows(self, max_tokens: int) -> Iterator[Branches]:
        """Yield the continuations in order, in rows of at most ``max_tokens``.

        A longer row has one continuation alone.
        """
        held: list[tuple[int, ...]] = []
        total = len(self.context)
        for end in self.ends:
            if held and total + len(end) - 1 > max_tokens:
                yield Branches(context=self.context, ends=tuple(held))
                held, total = [], len(self.context)
            held.append(end)
            total += len(end) - 1
        yield Branches(context=self.context, ends=tuple(held))

    def _starts(self) -> Iterator[int]:
        """Yield the place in the row at which each continuation begins."""
        start = len(self.context)
        for end in self.ends:
            yield start
            start += len(end) - 1


Row: TypeAlias = Encoded | Branches


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Samples that share one forward pass.

    Attributes:
        numbers: Indices of its samples in the packed sequence.
        samples: Those samples.
        bounds: Begin and end of each sample in the row.
    """

    numbers: tuple[int, ...]
    samples: tuple[Row, ...]
    bounds: tuple[tuple[int, int], ...]

    @property
    def ids(self) -> list[int]:
        """The row: T token ids."""
        return [token for sample in self.samples for token in sample.ids]

    @property
    def positions(self) -> list[int]:
        """T positions, each sample's from 0."""
        return [t for sample in self.samples for t in sample.positions]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces of attention."""
        return tuple(
            piece.moved(start)
            for (start, stop), sample in zip(self.bounds, self.samples, strict=True)
            for piece in (
                sample.pieces if isinstance(sample, Branches) else (Piece(0, stop - start),)
            )
        )

    @property
    def before_scored(self) -> list[int]:
        """P places in the row whose next token is scored, sample by sample."""
        return [
            start + place
            for (start, _), sample in zip(self.bounds, self.samples, strict=True)
            for place in sample.before_scored
        ]

    @property
    def targets(self) -> list[int]:
        """The P token ids that are scored, in the order of ``before_scored``."""
        return [token for sample in self.samples for token in sample.targets]


def packs(samples: Sequence[Row], max_tokens: int) -> Iterator[Pack]:
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


def pack(numbers: Sequence[int], samples: Sequence[Row]) -> Pack:
    """Return one row of these samples, with the given numbers."""
    ends = tuple(accumulate(len(sample.ids) for sample in samples))
    return Pack(
        numbers=tuple(numbers),
        samples=tuple(samples),
        bounds=tuple(zip((0, *ends[:-1]), ends, strict=True)),
    )
