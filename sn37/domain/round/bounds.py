"""Bounds of the comparison of three entries, at a thirtieth of its cost.

For every pair of hopeful entries it is decided whether one follows the other, and whether it is a
copy. Exact sums over all samples take a millisecond or more for each pair. Bounds from sums that
are kept for each entry settle most pairs; for the others the caller computes the exact comparison.
So results are those of exact comparisons alone.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import NamedTuple, TypeAlias

from sn37.domain.ids import Block, EntryKey
from sn37.domain.round.evidence import Evidence, exact_sum
from sn37.domain.round.signers import Origin, Origins

Range: TypeAlias = tuple[float, float]  # least and largest value
EVERYTHING: Range = (-math.inf, math.inf)

ULP = 2.0**-52
# Relative error of a root of a sum of squares: ``math.dist`` and the exact root are right to some
# units of 1e-16. A root outside the two limits has squares without full precision.
ROOT_ERROR = 1e-12
LEAST_ROOT, LARGEST_ROOT = 1e-100, 1e100


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Ranges that contain the values of a ``comparing.Trio`` with the same names."""

    champion: Range
    rival: Range
    challenger: Range
    lead: Range
    num_samples: int  # exact

    def may_follow(self, margin: float, epsilon_end: float) -> bool:
        """True unless ``follows`` is certainly false for the trio."""
        rival_leads = self.rival[0] < self.champion[1] * (1 - margin)
        return rival_leads and not self.challenger[1] < self.rival[0] * (1 - epsilon_end)


class _Column(NamedTuple):
    """An entry's values in one round."""

    values: tuple[float, ...]
    total: float
    size: float  # at least the sum of the magnitudes

    def cut(self, stop: int, mask: Sequence[bool] | None) -> _Column:
        values = self.values[:stop]
        kept = values if mask is None else tuple(compress(values, mask))
        return _Column(kept, exact_sum(kept), self.size)


_Columns: TypeAlias = Mapping[Block, _Column]


class _Shared(NamedTuple):
    """Part of one round that champion and rival share."""

    whole: tuple[_Column, _Column, _Column]  # champion, rival, rival less the margin
    length: int  # rows that both have
    mask: Sequence[bool] | None  # rows that count between the two; None: all
    columns: tuple[_Column, _Column, _Column]  # of the rows that both have and that count

    def up_to(self, stop: int) -> tuple[_Column, _Column, _Column]:
        if stop == self.length:
            return self.columns
        champion, rival, scaled = self.whole
        return (
            champion.cut(stop, self.mask),
            rival.cut(stop, self.mask),
            scaled.cut(stop, self.mask),
        )


class Held(NamedTuple):
    """An entry with its evidence. Entries with equal keys are treated as equal."""

    key: EntryKey
    evidence: Evidence


@dataclass(slots=True)
class Sums:
    """Sums of each entry and round, from which bounds of any three entries are computed."""

    epsilon_end: float
    origins: Origins
    _plain: dict[EntryKey, _Columns] = field(init=False, default_factory=dict)
    _shared: dict[tuple[EntryKey, EntryKey], Mapping[Block, _Shared]] = field(
        init=False, default_factory=dict
    )

    def of_three(
        self,
        champion: Held,
        rival: Held,
        challenger: Held,
        *,
        since: Block,
        odd: Collection[Origin],
    ) -> Bounds | None:
        """Return bounds of the trio from ``since`` on; ``None`` if no shared sample counts.

        Args:
            odd: Origins that do not count between champion and rival; always the same for these.
        """
        ours = self._columns(challenger)
        totals, sizes = [0.0] * 4, [0.0] * 4
        squares, num_samples, num_rounds = 0.0, 0, 0
        for sync, shared in self._between(champion, rival, odd).items():
            own = ours.get(sync)
            if sync < since or own is None:
                continue
            stop = min(shared.length, len(own.values))
            if shared.mask is not None or stop < len(own.values):
                own = own.cut(stop, shared.mask)
            columns = (*shared.up_to(stop), own)
            for place, column in enumerate(columns):
                totals[place] += column.total
                sizes[place] += column.size
            distance = math.dist(columns[2].values, own.values)
            squares += distance * distance
            num_samples += len(own.values)
            num_rounds += 1
        if not num_samples:
            return None
        error = (num_rounds + 8) * ULP
        ranges = [_around(t, error * s) for t, s in zip(totals, sizes, strict=True)]
        excess = _around(totals[2] - totals[3], error * (sizes[2] + sizes[3]))
        return Bounds(
            champion=ranges[0],
            rival=ranges[1],
            challenger=ranges[3],
            lead=_over_root(excess, squares),
            num_samples=num_samples,
        )

    def _columns(self, entry: Held) -> _Columns:
        if entry.key not in self._plain:
            self._plain[entry.key] = {s: _column(v) for s, v in entry.evidence.items()}
        return self._plain[entry.key]

    def _between(
        self, champion: Held, rival: Held, odd: Collection[Origin]
    ) -> Mapping[Block, _Shared]:
        pair = (champion.key, rival.key)
        if pair not in self._shared:
            ours, theirs = self._columns(champion), self._columns(rival)
            self._shared[pair] = {
                sync: self._share(ours[sync], theirs[sync], _mask(self.origins.get(sync, ()), odd))
                for sync in ours.keys() & theirs.keys()
            }
        return self._shared[pair]

    def _share(self, champion: _Column, rival: _Column, odd: Sequence[bool]) -> _Shared:
        length = min(len(champion.values), len(rival.values))
        mask = None
        if any(odd[:length]):
            mask = [not is_odd for is_odd in odd] + [True] * (length - len(odd))
        whole = (champion, rival, _column(v * (1 - self.epsilon_end) for v in rival.values))
        columns = whole
        if mask is not None or max(len(c.values) for c in whole) > length:
            columns = (
                champion.cut(length, mask),
                rival.cut(length, mask),
                whole[2].cut(length, mask),
            )
        return _Shared(whole, length, mask, columns)


def _mask(origins: Sequence[Origin], odd: Collection[Origin]) -> list[bool]:
    return [origin in odd for origin in origins] if odd else []


def _column(values: Iterable[float]) -> _Column:
    held = tuple(values)
    return _Column(held, exact_sum(held), exact_sum(map(abs, held)))


def _around(total: float, error: float) -> Range:
    if not (math.isfinite(total) and math.isfinite(error)):
        return EVERYTHING
    return total - error, total + error


def _over_root(excess: Range, squares: float) -> Range:
    """Return a range divided by the root of a sum of squares."""
    root = math.sqrt(squares) if squares >= 0 else math.nan
    if not LEAST_ROOT < root < LARGEST_ROOT:
        return EVERYTHING
    low, high = excess[0] / root, excess[1] / root
    return low - abs(low) * ROOT_ERROR, high + abs(high) * ROOT_ERROR
