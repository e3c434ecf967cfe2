"""Probe on a round's samples that no position sees later tokens. Child side.

Our attention is causal by construction. This check measures the result, whatever the cause of a
fault: some of a round's samples are put into their own rows and scored twice, the second time with
other tokens after a random cut and with other neighbours. Nothing before the cut may differ by
a single bit. Both rows have one shape, so kernels treat their places alike.

The samples and cuts are drawn from the round's seed, which is unknown before the block whose hash
drew the samples. A block's probe depends only on the seed, its number and its samples, so that a
resumed job has the same.

Cost: two short rows in the round's first block and in every ``PERIOD``-th, of at most
``MOST_OF_FIRST`` and ``MOST_OF_BLOCK`` of the block's tokens: less than 5 % of a round of 300
samples. If every sample of a block is longer than that, its shortest is probed.
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
NEIGHBOUR_TOKENS = 32  # from the beginnings of the sample before and of the one after

_SHAKEN_BYTES = 8  # of a drawn number: no remainder is more likely by over 2^-40


class Rows(Protocol):
    """The part of ``LossModel`` that scores rows."""

    def row_nats(
        self, pack: Pack, ids: Sequence[int] | None = None, *, careful: bool = False
    ) -> Tensor: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A row to score twice.

    Attributes:
        row: The beginning of one sample, the probed sample, the beginning of another.
        ids: Other tokens for the row: all differ except the sample's own before the cut.
        number: The sample's index in its block.
        first: The first of its tokens that is scored.
        cut: The first of the sample's tokens that differs; it is a scored one.
    """

    row: Pack
    ids: tuple[int, ...]
    number: int
    first: int
    cut: int

    @property
    def num_compared(self) -> int:
        """Number of losses that must not change. The last is that of the token at the cut itself,
        whose position predicts it without having seen it."""
        return self.cut - self.first + 1


class Probes:
    """The probes of one job.

    Args:
        seed: Hexadecimal, of the round.
        vocabulary: Number of tokens that the model knows.
    """

    def __init__(self, scorer: Rows, *, seed: str, vocabulary: int) -> None:
        self._scorer = scorer
        self._seed = seed
        self._vocabulary = vocabulary

    @counted
    def check(self, block: int, samples: Sequence[Encoded]) -> None:
        """Probe a block, if it has a probe.

        Args:
            block: Its number among all of the job, including skipped ones.

        Raises:
            ModelFault: ``unsound``: a loss changed.
        """
        probe = draw(samples, seed=self._seed, block=block, vocabulary=self._vocabulary)
        if probe is None:
            return
        first, changed = self._twice(probe, careful=False)
        if not torch.isfinite(changed).all():
            # 0 times a replaced token's infinite value is NaN, although it was not seen. The model
            # pays for such NaNs in the round's own samples.
            first, changed = self._twice(probe, careful=True)
        # A loss that is not finite already costs the most and is not compared.
        differs = (first != changed) & torch.isfinite(first)
        if not differs.any():
            return
        at = int(differs.nonzero()[0, 0])
        raise ModelFault(
            Reason.UNSOUND,
            f"sample {probe.number} of block {block}: with other tokens from {probe.cut} on, the "
            f"loss of token {probe.first + at} changed "
            f"from {float(first[at]):.6g} to {float(changed[at]):.6g}",
        )

    def _twice(self, probe: Probe, *, careful: bool) -> tuple[Tensor, Tensor]:
        one = self._scorer.row_nats(probe.row, careful=careful)
        other = self._scorer.row_nats(probe.row, probe.ids, careful=careful)
        return one[: probe.num_compared], other[: probe.num_compared]


def draw(samples: Sequence[Encoded], *, seed: str, block: int, vocabulary: int) -> Probe | None:
    """Return a block's probe, if it has one; ``samples`` are all of the block."""
    phase = next(_numbers(f"{seed}|phase", 1))
    scored = [n for n, sample in enumerate(samples) if sample.num_scored]
    if not scored or (block and (block + phase) % PERIOD):
        return None
    choice, *drawn = _numbers(f"{seed}|{block}", 4)
    number = _sample(samples, scored, choice, is_first=block == 0)
    # In turn near the end, near the beginning, anywhere. The first block has a cut near the end,
    # which detects nearly all models that look ahead.
    kind = 0 if block == 0 else (block // PERIOD + phase // PERIOD) % 3
    cut = _cut(samples[number], kind, drawn)
    place = scored.index(number)
    numbers = (scored[place - 1], number, scored[(place + 1) % len(scored)])
    before, probed, after = (samples[n] for n in numbers)
    row = pack(numbers, (_beginning(before), probed, _beginning(after)))
    start = row.bounds[1][0]
    ids = _others(row.ids, f"{seed}|{block}|tokens", vocabulary)
    ids[start : start + cut] = probed.ids[:cut]
    return Probe(row=row, ids=tuple(ids), number=number, first=probed.first, cut=cut)


def _sample(
    samples: Sequence[Encoded], scored: Sequence[int], choice: int, *, is_first: bool
) -> int:
    """Return the longest sample that fits, in the first block; any that fits, in another."""
    most = sum(len(samples[n].ids) for n in scored)
    most //= MOST_OF_FIRST if is_first else MOST_OF_BLOCK
    fitting = [n for n in scored if 2 * (len(samples[n].ids) + 2 * NEIGHBOUR_TOKENS) <= most]
    if not fitting:
        return min(scored, key=lambda n: len(samples[n].ids))
    if is_first:
        return max(fitting, key=lambda n: len(samples[n].ids))
    return fitting[choice % len(fitting)]


def _cut(sample: Encoded, kind: int, drawn: Sequence[int]) -> int:
    """Return one of the scored tokens. Near an end, each power of two of the distance has the
    same probability."""
    power, offset, anywhere = drawn
    reach = 1 << power % (sample.num_scored.bit_length() + 1)
    near = offset % min(reach, sample.num_scored)
    distances = (sample.num_scored - 1 - near, near, anywhere % sample.num_scored)
    return sample.first + distances[kind]


def _beginning(sample: Encoded) -> Encoded:
    """Return a neighbour, of which nothing is scored."""
    ids = sample.ids[:NEIGHBOUR_TOKENS]
    return replace(sample, ids=ids, first=len(ids))


def _others(ids: Sequence[int], key: str, vocabulary: int) -> list[int]:
    """Return another token for each: 1 to ``vocabulary`` - 1 further on, with 0 after the last."""
    steps = max(1, vocabulary - 1)
    drawn = _numbers(key, len(ids))
    return [(t + 1 + n % steps) % vocabulary for t, n in zip(ids, drawn, strict=True)]


def _numbers(key: str, count: int) -> Iterator[int]:
    shaken = shake_256(f"sn37/causality/1|{key}".encode()).digest(_SHAKEN_BYTES * count)
    for at in range(0, len(shaken), _SHAKEN_BYTES):
        yield int.from_bytes(shaken[at : at + _SHAKEN_BYTES], "big")
