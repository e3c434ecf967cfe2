"""Rows that are odd for a base model: which of a draw they are, and what takes their place.

A signer can write what no model predicts, or texts that its friend's model knows by heart and
that any model knows: both lie far from the losses of the other signers' rows. The competition's
base model is scored on the draw and on a reserve. A row is odd when its loss lies beyond the
limits that the other signers' rows set (``deviations.limits_for``), above or below. Each odd row's
place is taken by the next row of the reserve.

Two validators measure nearly the same losses, not the same. A loss is rounded to 1 % before
anything follows from it, and a row is odd only if it would be with a loss one such step nearer to
the limit. docs/decisions/0055 has what may still differ.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from sn37.domain.data.deviations import limit, limits_for
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Digest, Hotkey

STEPS = 100  # of a rounded loss, in one unit of its natural logarithm: 1 % each
LEAST_LOSS = 1e-4  # smaller ones are as odd as this
# The least unit of deviations, as a share of the loss: signers whose rows hardly differ would
# make any other row odd. With 6 deviations no row is odd that is within a tenth of the others.
LEAST_SPREAD = 0.02

ABOVE = "a loss under the base model far above those of other signers' rows"
BELOW = "a loss under the base model far below those of other signers' rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """What the base model's losses on one task's rows are: of the draw, then of its reserve.

    Raises:
        ValueError: There is not one row, signer and loss each, or a row is there twice.
    """

    cap: int  # most rows of one signer in a sample
    rows: tuple[tuple[str, Digest], ...]  # (row id, content hash)
    signers: tuple[Hotkey | None, ...]
    losses: tuple[int, ...]  # rounded

    def __post_init__(self) -> None:
        if not len(self.rows) == len(self.signers) == len(self.losses):
            raise ValueError(
                f"{len(self.rows)} screened rows with {len(self.signers)} signers and "
                f"{len(self.losses)} losses"
            )
        if len({row for row, _ in self.rows}) < len(self.rows):
            raise ValueError("a row was screened twice")


def screening_of(samples: Sequence[Sample], cap: int, losses: Sequence[float]) -> Screening:
    """The record of the losses that a base model has on these samples."""
    return Screening(
        cap=cap,
        rows=tuple((s.provenance.row_id, s.content_hash) for s in samples),
        signers=tuple(s.provenance.signer for s in samples),
        losses=tuple(map(rounded, losses)),
    )


def rounded(loss: float) -> int:
    """A loss in hundredths of its natural logarithm: 100 for 2.718, 0 for 1."""
    return round(STEPS * math.log(max(loss, LEAST_LOSS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """How a row is odd."""

    why: str
    factor: float  # natural logarithm of the loss over the limit, or of the limit over the loss


def odd_rows(screening: Screening, max_deviations: float) -> Mapping[int, Odd]:
    """The odd ones among the screened rows, by position.

    Above, losses are compared as they are: those of ordinary rows spread by a third, and noise
    costs a few times as much. Below, by their logarithm: a text known by heart costs a twentieth.
    """
    found: dict[int, Odd] = {}
    signers = screening.signers
    highs = limits_for(
        signers, [_loss(x) for x in screening.losses], partial(_high, max_deviations)
    )
    lows = limits_for(signers, [-x for x in screening.losses], partial(_low, max_deviations))
    for position, (value, high, low) in enumerate(zip(screening.losses, highs, lows, strict=True)):
        if _loss(value - 1) > high:
            found[position] = Odd(why=ABOVE, factor=round(value / STEPS - math.log(high), 6))
        elif -(value + 1) > low:
            found[position] = Odd(why=BELOW, factor=round(-(value + low) / STEPS, 6))
    return found


def kept_rows(screening: Screening, count: int, max_deviations: float) -> tuple[int, ...]:
    """The positions of the ``count`` rows that make the sample, in its order.

    The oddest row of the draw is replaced first, by the next row of the reserve that is not odd
    and whose signer has less than the cap. Rows for which the reserve has none stay: nobody can
    postpone a round by writing odd rows. Where no row is odd this is the draw itself.

    Raises:
        ValueError: Fewer rows than ``count`` were screened.
    """
    if len(screening.rows) < count:
        raise ValueError(f"{len(screening.rows)} rows were screened, {count} are drawn")
    odd = odd_rows(screening, max_deviations)
    kept = list(range(count))
    reserve = [n for n in range(count, len(screening.rows)) if n not in odd]
    num_of = Counter(screening.signers[:count])
    for place in sorted((n for n in odd if n < count), key=lambda n: (-odd[n].factor, n)):
        num_of[screening.signers[place]] -= 1
        found = next((n for n in reserve if _has_room(screening, n, num_of)), place)
        num_of[screening.signers[found]] += 1
        kept[place] = found
        if found != place:
            reserve.remove(found)
    return tuple(kept)


def _has_room(screening: Screening, position: int, num_of: Mapping[Hotkey | None, int]) -> bool:
    signer = screening.signers[position]
    return signer is None or num_of[signer] < screening.cap


def _loss(value: int) -> float:
    # Rounded, since machines may differ in the last bit of an exponential.
    return round(math.exp(value / STEPS), 6)


def _high(max_deviations: float, losses: Sequence[float]) -> float:
    return limit(losses, max_deviations, LEAST_SPREAD * median(losses))


def _low(max_deviations: float, values: Sequence[float]) -> float:
    return limit(values, max_deviations, LEAST_SPREAD * STEPS)
