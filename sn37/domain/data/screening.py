"""Screening: rows of a draw that are odd for a base model, and their replacement.

A signer can write text that no model predicts, or text that every model predicts well and that
the model of a colluding miner has memorised. The losses of both are far from those of the other
signers' rows. The competition's base model is scored on the draw and on a reserve. A row is odd
if its loss is beyond the limits that the other signers' rows set (``deviations.limits_for``),
above or below. The next row of the reserve replaces each odd row.

Two validators measure almost equal losses, but not equal ones. So a loss is rounded to 1 % before
it is used, and a row is odd only if it would be odd even one such step closer to the limit.
docs/decisions/0055 says what may still differ.
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

STEPS = 100  # steps of a rounded loss per unit of its natural logarithm: 1 % each
LEAST_LOSS = 1e-4  # smaller losses count as this one
# The smallest unit of deviations, as a share of the loss. Otherwise signers whose rows hardly
# differ would make any other row odd. With 6 deviations no row within a tenth of the others is odd.
LEAST_SPREAD = 0.02

ABOVE = "a loss under the base model far above those of other signers' rows"
BELOW = "a loss under the base model far below those of other signers' rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """Losses of the base model on one task's rows: those of the draw, then of its reserve.

    Raises:
        ValueError: The numbers of rows, signers and losses differ, or a row occurs twice.
    """

    cap: int  # largest number of rows of one signer in a sample
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
    """Return the record of a base model's losses on these samples."""
    return Screening(
        cap=cap,
        rows=tuple((s.provenance.row_id, s.content_hash) for s in samples),
        signers=tuple(s.provenance.signer for s in samples),
        losses=tuple(map(rounded, losses)),
    )


def rounded(loss: float) -> int:
    """Return a loss in hundredths of its natural logarithm: 100 for 2.718, 0 for 1."""
    return round(STEPS * math.log(max(loss, LEAST_LOSS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """Finding that a row is odd."""

    why: str
    factor: float  # natural logarithm of the loss over the limit, or of the limit over the loss


def odd_rows(screening: Screening, max_deviations: float) -> Mapping[int, Odd]:
    """Return the odd rows among the screened ones, by position.

    Above, the losses themselves are compared: ordinary rows vary by a third, and noise has a loss
    a few times higher. Below, their logarithms: a memorised text has a twentieth of the loss.
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
    """Return the positions of the ``count`` rows of the sample, in its order.

    The oddest row of the draw is replaced first, by the next row of the reserve that is not odd
    and whose signer has fewer rows than the cap. If the reserve has no such row, the odd row stays,
    so nobody can postpone a round by writing odd rows. Without odd rows this is the draw itself.

    Raises:
        ValueError: Fewer rows than ``count`` were screened.
    """
    if len(screening.rows) < count:
        raise ValueError(f"{len(screening.rows)} rows were screened, {count} are needed")
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
    # Rounded because machines may differ in the last bit of an exponential.
    return round(math.exp(value / STEPS), 6)


def _high(max_deviations: float, losses: Sequence[float]) -> float:
    return limit(losses, max_deviations, LEAST_SPREAD * median(losses))


def _low(max_deviations: float, values: Sequence[float]) -> float:
    return limit(values, max_deviations, LEAST_SPREAD * STEPS)
