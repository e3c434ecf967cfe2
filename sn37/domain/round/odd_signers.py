"""Odd signers: on their rows two models differ in another way than on all other rows.

Rows that a validator of another subnet signs become public only when they are drawn, but their
signer knows them before. It can let a friend's model learn its rows (attack 51). On those rows the
friend's model is better than on the rows of all other signers, and this test finds that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sn37.domain.ids import TaskName
from sn37.domain.round.signers import Origin

# Largest difference between a signer's rows and all others', in standard errors. With ten honest
# signers, tested in ten rounds, one is beyond 3.5 once in 25 challenges; its rows are left out, and
# the verdict rests on the others.
SIGNER_Z = 3.5
# Smallest number of rows of a signer that is tested alone. Fifteen rows that a model knows by heart
# prove nothing yet, because each counts as one mean loss at most. Signers with fewer rows are
# tested together, as if they were one.
MIN_SIGNED = 16


@dataclass(slots=True)
class RowSums:
    """Sums over some rows of one task: a, the champion's values, and d, the clipped gains."""

    num: int = 0
    a: float = 0.0
    d: float = 0.0
    aa: float = 0.0
    ad: float = 0.0
    dd: float = 0.0

    def plus(self, other: RowSums, sign: int = 1) -> RowSums:
        return RowSums(
            self.num + sign * other.num,
            self.a + sign * other.a,
            self.d + sign * other.d,
            self.aa + sign * other.aa,
            self.ad + sign * other.ad,
            self.dd + sign * other.dd,
        )

    def excess(self, share: float) -> tuple[float, float]:
        """Mean of ``d - share * a`` over the rows, and the variance of that mean."""
        mean = (self.d - share * self.a) / self.num
        square = (self.dd - 2 * share * self.ad + share * share * self.aa) / self.num
        return mean, max(square - mean * mean, 0.0) / self.num


def odd_origins(
    champion: Sequence[float], gains: Sequence[float], origins: Sequence[Origin], *, least: float
) -> frozenset[Origin]:
    """Return the origins on whose rows the gain differs from that on other rows of their task.

    Gains are compared as shares of the champion's loss, so that signers of long and of short texts
    are treated alike. The oddest origin is taken out, and the rest is tested again. It does not
    matter which of the two models the difference favours, because a champion's friend may sign rows
    too.

    Args:
        champion: Its evidence values.
        gains: Clipped differences, see ``evidence.clipped``.
        least: Smallest difference that counts, as a share of the champion's loss: epsilon's end
            value. Smaller ones win no crown, and true models differ by them from topic to topic.
    """
    return odd_among(_grouped(champion, gains, origins), least=least)


def odd_among(
    groups: Mapping[TaskName, Mapping[Origin, RowSums]], *, least: float
) -> frozenset[Origin]:
    """Return the same as ``odd_origins``, from the sums over each origin's rows."""
    odd: set[Origin] = set()
    for of_task in groups.values():
        odd |= _odd_in_task(of_task, least)
    return frozenset(odd)


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginGain:
    """The challenger's gain on one origin's rows, and on the other rows of the task.

    Gains are shares of the champion's loss, positive where the challenger is better.
    """

    num_rows: int
    gain: float
    others_gain: float
    z: float  # their difference in standard errors; 0 if there is nothing to compare


def gains_by_origin(
    champion: Sequence[float], gains: Sequence[float], origins: Sequence[Origin]
) -> Mapping[Origin, OriginGain]:
    """Return the gains that ``odd_origins`` tests, for the same arguments, with no origin out."""
    found: dict[Origin, OriginGain] = {}
    for of_task in _grouped(champion, gains, origins).values():
        whole = _total(of_task.values())
        for origin, rows in sorted(of_task.items(), key=lambda item: item[0].signer or ""):
            others = whole.plus(rows, -1)
            mean, error = _difference(rows, others)
            found[origin] = OriginGain(
                num_rows=rows.num,
                gain=rows.d / rows.a if rows.a > 0 else 0.0,
                others_gain=others.d / others.a if others.a > 0 else 0.0,
                z=mean / error if error > 0 else 0.0,
            )
    return found


def _grouped(
    champion: Sequence[float], gains: Sequence[float], origins: Sequence[Origin]
) -> Mapping[TaskName, Mapping[Origin, RowSums]]:
    groups: dict[TaskName, dict[Origin, RowSums]] = {}
    for a, d, origin in zip(champion, gains, origins, strict=True):
        rows = groups.setdefault(origin.task, {}).setdefault(origin, RowSums())
        rows.num += 1
        rows.a += a
        rows.d += d
        rows.aa += a * a
        rows.ad += a * d
        rows.dd += d * d
    return groups


def _odd_in_task(groups: Mapping[Origin, RowSums], least: float) -> set[Origin]:
    signed = {o: rows for o, rows in groups.items() if o.signer is not None}
    few = sorted(o for o, rows in signed.items() if rows.num < MIN_SIGNED)
    judged: dict[tuple[Origin, ...], RowSums] = {
        (o,): rows for o, rows in sorted(signed.items()) if rows.num >= MIN_SIGNED
    }
    if few:
        judged[tuple(few)] = _total(signed[o] for o in few)
    left, odd = _total(groups.values()), set[Origin]()
    while judged:
        worst, size = None, SIGNER_Z
        for tested, rows in judged.items():
            z = _oddity(rows, left.plus(rows, -1), least)
            if z > size:
                worst, size = tested, z
        if worst is None:
            break
        left = left.plus(judged.pop(worst), -1)
        odd.update(worst)
    return odd


def _oddity(rows: RowSums, others: RowSums, least: float) -> float:
    """Return by how many standard errors the gain on some rows differs; 0 if it does not count."""
    if min(rows.num, others.num) < MIN_SIGNED:
        return 0.0
    mean, error = _difference(rows, others)
    return abs(mean) / error if error > 0 and abs(mean) > least * rows.a / rows.num else 0.0


def _difference(rows: RowSums, others: RowSums) -> tuple[float, float]:
    """Return the mean gain on some rows beyond the others' share, and its standard error."""
    if not (rows.num and others.a > 0):
        return 0.0, 0.0
    mean, variance = rows.excess(share := others.d / others.a)
    scale = (rows.a / rows.num) / (others.a / others.num)  # the others' share has an error too
    variance += others.excess(share)[1] * scale * scale
    return mean, math.sqrt(variance)


def _total(groups: Iterable[RowSums]) -> RowSums:
    total = RowSums()
    for rows in groups:
        total = total.plus(rows)
    return total
