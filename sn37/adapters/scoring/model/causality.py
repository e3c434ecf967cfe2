"""No position sees what comes after it: measured on the samples of the round. Child side.

Our attention is causal by construction. This measures what it comes to, whatever the reason
would be: some of a round's samples are laid into rows of their own and scored twice, the second
time with other tokens from a random cut on and with other neighbours. Nothing before the cut
may differ by a single bit; both rows have one shape, so kernels treat their places alike.

Which samples and where is drawn from the round's seed, which nobody knows before the block
whose hash drew the samples. A block's probe depends on the seed, its number and its samples
alone, so that a resumed job has the same.

Cost: two short rows in the round's first block and in every ``PERIOD``-th, of at most
``MOST_OF_FIRST`` and ``MOST_OF_BLOCK`` of the block's tokens: less than 5 % of a round of 300
samples. A block whose every sample is longer than that has its shortest probed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import shake_256
from typing import Protocol

import torch
from torch import Tensor

from sn37.adapters.scoring.model.check_time import counted
from sn37.adapters.scoring.model.encoding import Encoded
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.packing import Pack, pack
from sn37.domain.reasons import Reason

PERIOD = 5  # blocks of 16 samples from one probe to the next
MOST_OF_FIRST = 4  # a quarter: room for a sample of twice the block's mean length
MOST_OF_BLOCK = 6  # a sixth
NEIGHBOUR_TOKENS = 32  # of the sample before and of the one after, from their beginnings

_SHAKEN_BYTES = 8  # of one drawn number: no remainder is favoured by more than 2^-40


class Rows(Protocol):
    """What scores rows: ``LossModel``."""

    def row_nats(
        self, pack: Pack, ids: Sequence[int] | None = None, *, careful: bool = False
    ) -> Tensor: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A row to score twice.

    Attributes:
        row: The beginning of one sample, the sample that is probed, the beginning of another.
        ids: Other tokens for the row: everything but the sample's own before the cut differs.
        number: The sample's place in its block.
        cut: The first of the sample's tokens that differs; it is one of those scored.
    """

    row: Pack
    ids: tuple[int, ...]
    number: int
    cut: int

    @property
    def num_compared(self) -> int:
        """Losses that must not change. The last is that of the token at the cut itself, which
        its position predicts without having seen it."""
        return self.cut - self.row.samples[1].first + 1


class Probes:
    """The probes of one job.

    Args:
        seed: Hexadecimal, of the round.
        vocabulary: Tokens that the model knows.
    """

    def __init__(self, scorer: Rows, *, seed: str, vocabulary: int) -> None:
        self._scorer = scorer
        self._seed = seed
        self._vocabulary = vocabulary

    @counted
    def check(self, block: int, samples: Sequence[Encoded]) -> None:
        """Probe a block, if it is one of those that are.

        Args:
            block: Its number among all of the job, those that are skipped included.

        Raises:
            ModelFault: ``unsound``: a loss changed.
        """
        probe = draw(samples, seed=self._seed, block=block, vocabulary=self._vocabulary)
        if probe is None:
            return
        first, changed = self._twice(probe, careful=False)
        if not torch.isfinite(changed).all():
            # 0 times a replaced token's infinite value is NaN: no sight of it. The model pays
            # for such NaNs where they are in the round's own samples.
            first, changed = self._twice(probe, careful=True)
        # A loss that is no number already costs the most; it has no opinion.
        differs = (first != changed) & torch.isfinite(first)
        if not differs.any():
            return
        at = int(differs.nonzero()[0, 0])
        raise ModelFault(
            Reason.UNSOUND,
            f"sample {probe.number} of block {block}: with other tokens from {probe.cut} on, the "
            f"loss of token {probe.row.samples[1].first + at} changed "
            f"from {float(first[at]):.6g} to {float(changed[at]):.6g}",
        )

    def _twice(self, probe: Probe, *, careful: bool) -> tuple[Tensor, Tensor]:
        one = self._scorer.row_nats(probe.row, careful=careful)
        other = self._scorer.row_nats(probe.row, probe.ids, careful=careful)
        return one[: probe.num_compared], other[: probe.num_compared]


def draw(samples: Sequence[Encoded], *, seed: str, block: int, vocabulary: int) -> Probe | None:
    """A block's probe, if it has one; ``samples`` are all of the block."""
    phase = next(_numbers(f"{seed}|phase", 1))
    scored = [n for n, sample in enumerate(samples) if sample.num_scored]
    if not scored or (block and (block + phase) % PERIOD):
        return None
    choice, *drawn = _numbers(f"{seed}|{block}", 4)
    number = _sample(samples, scored, choice, is_first=block == 0)
    # Turn by turn near the end, near the beginning, anywhere; the first block has the end, where
    # nearly all of what looks ahead is seen.
    kind = 0 if block == 0 else (block // PERIOD + phase // PERIOD) % 3
    cut = _cut(samples[number], kind, drawn)
    place = scored.index(number)
    numbers = (scored[place - 1], number, scored[(place + 1) % len(scored)])
    before, probed, after = (samples[n] for n in numbers)
    row = pack(numbers, (_beginning(before), probed, _beginning(after)))
    start = row.bounds[1][0]
    ids = _others(row.ids, f"{seed}|{block}|tokens", vocabulary)
    ids[start : start + cut] = probed.ids[:cut]
    return Probe(row=row, ids=tuple(ids), number=number, cut=cut)


def _sample(
    samples: Sequence[Encoded], scored: Sequence[int], choice: int, *, is_first: bool
) -> int:
    """The longest sample that the first block has room for; any such sample of another."""
    most = sum(len(samples[n].ids) for n in scored)
    most //= MOST_OF_FIRST if is_first else MOST_OF_BLOCK
    fitting = [n for n in scored if 2 * (len(samples[n].ids) + 2 * NEIGHBOUR_TOKENS) <= most]
    if not fitting:
        return min(scored, key=lambda n: len(samples[n].ids))
    if is_first:
        return max(fitting, key=lambda n: len(samples[n].ids))
    return fitting[choice % len(fitting)]


def _cut(sample: Encoded, kind: int, drawn: Sequence[int]) -> int:
    """One of the scored tokens. Near an end means that each power of two of the distance is as
    likely as the next."""
    power, offset, anywhere = drawn
    reach = 1 << power % (sample.num_scored.bit_length() + 1)
    near = offset % min(reach, sample.num_scored)
    distances = (sample.num_scored - 1 - near, near, anywhere % sample.num_scored)
    return sample.first + distances[kind]


def _beginning(sample: Encoded) -> Encoded:
    """A neighbour, of which nothing is scored."""
    ids = sample.ids[:NEIGHBOUR_TOKENS]
    return replace(sample, ids=ids, first=len(ids))


def _others(ids: Sequence[int], key: str, vocabulary: int) -> list[int]:
    """Another token for each: 1 to ``vocabulary`` - 1 further on, behind the last comes 0."""
    steps = max(1, vocabulary - 1)
    drawn = _numbers(key, len(ids))
    return [(t + 1 + n % steps) % vocabulary for t, n in zip(ids, drawn, strict=True)]


def _numbers(key: str, count: int) -> Iterator[int]:
    shaken = shake_256(f"sn37/causality/1|{key}".encode()).digest(_SHAKEN_BYTES * count)
    for at in range(0, len(shaken), _SHAKEN_BYTES):
        yield int.from_bytes(shaken[at : at + _SHAKEN_BYTES], "big")
