"""Measurements of a comparer as running sums, so that long reigns cost no more than short ones.

Verdicts are the domain's: it gets the same numbers from a ``Tally`` as from a ``Comparer``. Sums
are numpy's, so they are rounded; ``tests/integration/test_economy.py`` plays both side by side.

Shape letters: S signers, F features, N samples, B blocks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from sn37.app.simulate.losses import Array
from sn37.app.simulate.members import TEXT
from sn37.domain.data.batches import BLOCK_SAMPLES
from sn37.domain.ids import Block, EntryKey, TaskName
from sn37.domain.round.bounds import Bounds
from sn37.domain.round.comparing import Comparer, Contestant, Measured, Trio
from sn37.domain.round.evidence import Pooled, clipped_log_e_value, log_e_value, log_mixture
from sn37.domain.round.odd_signers import MIN_SIGNED, SIGNER_Z, RowSums, odd_among
from sn37.domain.round.racing import (
    LOG_EVEN_RETIRE_LEVEL,
    MIN_SAMPLES,
    RETIRE_PRIOR_SAMPLES,
    Race,
)
from sn37.domain.round.signers import Origin

Indices = npt.NDArray[np.intp]

# Differences beyond this share of a mean loss are kept one by one: the limit at which they are
# clipped depends on the mean, which later rounds change a little.
WILD = 0.25
# An e-value of a thousand needs a deficit of more than 3.5 in its own spread.
PROMISING = 3.0
NUM, A, D, AA, AD, DD, L, LL = range(8)  # features: a champion, d = a - b, l = b - a (1 - margin)


@dataclass(slots=True)
class Rows:
    """Losses of every entry by round, and the signer's index of every row."""

    signers: Sequence[Origin] = (Origin(TEXT, None),)
    losses: dict[EntryKey, dict[Block, Array]] = field(default_factory=dict)
    origins: dict[Block, Indices] = field(default_factory=dict)

    def num_rounds(self, key: EntryKey) -> int:
        return len(self.losses.get(key, ()))

    def shared(
        self, keys: Sequence[EntryKey], since: Block, start: int
    ) -> tuple[list[Array], Indices] | None:
        """Return the rows that all keys share, in the last key's rounds from ``start`` on."""
        held = [self.losses.get(key, {}) for key in keys]
        found: list[list[Array]] = [[] for _ in keys]
        origins = []
        for sync in itertools.islice(held[-1], start, None):
            if sync >= since and all(sync in h for h in held):
                stop = min(len(h[sync]) for h in held)
                for values, h in zip(found, held, strict=True):
                    values.append(h[sync][:stop])
                origins.append(self.origins[sync][:stop])
        if not origins:
            return None
        return [np.concatenate(values) for values in found], np.concatenate(origins)


class PairTally:
    """Sums of a challenger against a champion."""

    def __init__(self, num_signers: int, margin: float) -> None:
        self.sums = np.zeros((num_signers, 8))  # SF
        self.margin = margin
        self._wild: list[Array] = []  # each 3N: origin, a, d
        self._floor = math.nan

    def add(self, a: Array, b: Array, origins: Indices) -> None:
        features = features_of(a, b, self.margin)
        self.sums += grouped(features, origins, len(self.sums))
        if math.isnan(self._floor):
            self._floor = WILD * float(a.mean())
        wild = np.abs(features[D]) > self._floor
        if wild.any():
            self._wild.append(np.stack([origins[wild], a[wild], features[D][wild]]))

    def clipped(self, kept: npt.NDArray[np.bool_]) -> Array:
        """Return the sums with differences clipped at one mean loss of the kept rows."""
        num = float(self.sums[kept, NUM].sum())
        most = float(self.sums[kept, A].sum()) / num if num else math.inf
        if most < self._floor:
            raise ValueError(f"the mean loss fell to {most:.3g}, below {self._floor:.3g}")
        found = self.sums.copy()
        for origin, a, d in self._wild:
            cut = np.clip(d, -most, most)
            at = origin.astype(np.intp)
            for feature, change in ((D, cut - d), (AD, a * (cut - d)), (DD, cut * cut - d * d)):
                found[:, feature] += np.bincount(at, change, minlength=len(found))
        return found

    def pooled(self, kept: npt.NDArray[np.bool_]) -> Pooled:
        plain, cut = self.sums[kept].sum(axis=0), self.clipped(kept)[kept].sum(axis=0)
        return Pooled(
            num_samples=int(plain[NUM]),
            champion=float(plain[A]),
            challenger=float(plain[A] - plain[D]),
            gain=float(plain[D]),
            squares=float(plain[DD]),
            clipped_gain=float(cut[D]),
            clipped_squares=float(cut[DD]),
        )


def features_of(a: Array, b: Array, margin: float) -> Array:
    """Return the features of each row of a champion and a challenger, FN."""
    d, lag = a - b, b - a * (1 - margin)
    return np.stack([np.ones_like(a), a, d, a * a, a * d, d * d, lag, lag * lag])


def grouped(features: Array, origins: Indices, num: int) -> Array:
    """Return the features summed by signer, SF."""
    if num == 1:
        total: Array = features.sum(axis=1)
        return total[None]
    by_signer: Array = (origins == np.arange(num)[:, None]).astype(np.float64) @ features.T
    return by_signer


@dataclass(slots=True)
class _Pair:
    tally: PairTally
    num_rounds: int = -1  # of the challenger, included in the sums
    found: Measured | None = None


@dataclass(slots=True)
class _Three:
    tally: PairTally | None = None  # the rival against the champion
    extra: Array = field(default_factory=lambda: np.zeros(0))  # SF, see ``of_three``
    version: tuple[int, int] = (-1, -1)
    found: Trio | None = None


@dataclass(slots=True)
class Tally(Comparer):
    """A comparer for all rounds of a network; key and clock identify a contestant."""

    rows: Rows = field(default_factory=Rows)
    _held: dict[tuple[EntryKey, EntryKey, Block], _Pair] = field(init=False, default_factory=dict)
    _held_trios: dict[tuple[EntryKey, EntryKey, EntryKey, Block], _Three] = field(
        init=False, default_factory=dict
    )

    def measure(self, champion: Contestant, challenger: Contestant) -> Measured:
        return self.of_two(champion.key, challenger.key, challenger.since)

    def of_two(self, champion: EntryKey, challenger: EntryKey, since: Block) -> Measured:
        """Measure the challenger against the champion, from its clock on."""
        pair = self._pair(champion, challenger, since)
        return pair.found or self._measured(pair.tally)

    def is_hopeless(self, champion: EntryKey, challenger: EntryKey, since: Block) -> bool:
        """Do the same as the domain's, over all rounds since the challenger's clock."""
        pair = self._pair(champion, challenger, since)
        odd = pair.found.odd if pair.found else ()
        return is_hopeless_by(pair.tally.sums, self.rows.signers, self.epsilon_end, odd)

    def of_three(
        self, champion: Contestant, rival: Contestant, challenger: Contestant
    ) -> Trio | None:
        keys = (champion.key, rival.key, challenger.key)
        since = challenger.since
        held = self._held_trios.get((*keys, since))
        if held is None:
            held = self._held_trios[*keys, since] = _Three()
        seen = self.rows.num_rounds(keys[2]), self.rows.num_rounds(keys[1])
        if seen != held.version:
            shared = self.rows.shared(keys, since, max(held.version[0], 0))
            held.version = seen
            if shared is not None:
                (a, e, b), origins = shared
                num = len(self.rows.signers)
                if held.tally is None:
                    held.tally, held.extra = PairTally(num, self.epsilon_end), np.zeros((num, 3))
                held.tally.add(a, e, origins)
                # The challenger's loss, its lead over the rival, and the square of the lead.
                lead = e * (1 - self.epsilon_end) - b
                held.extra += grouped(np.stack([b, lead, lead * lead]), origins, num)
            if held.tally is not None:
                odd = self.measure(champion, rival).odd
                held.found = self._trio(held.tally, held.extra, odd)
        return held.found

    def bounds(
        self, champion: Contestant, rival: Contestant, challenger: Contestant
    ) -> Bounds | None:
        found = self.of_three(champion, rival, challenger)
        if found is None:
            return None
        return Bounds(
            champion=(found.champion, found.champion),
            rival=(found.rival, found.rival),
            challenger=(found.challenger, found.challenger),
            lead=(found.lead, found.lead),
            num_samples=found.num_samples,
        )

    def keep(self, champions: Iterable[EntryKey], entries: Iterable[EntryKey]) -> None:
        """Forget the sums against former champions and those of entries that are gone."""
        kings, alive = set(champions), set(entries)
        self._held = {k: v for k, v in self._held.items() if k[0] in kings and k[1] in alive}
        self._held_trios = {
            k: v
            for k, v in self._held_trios.items()
            if k[0] in kings and k[1] in alive and k[2] in alive
        }

    def _pair(self, champion: EntryKey, challenger: EntryKey, since: Block) -> _Pair:
        held = self._held.get((champion, challenger, since))
        if held is None:
            held = _Pair(PairTally(len(self.rows.signers), self.epsilon_end))
            self._held[champion, challenger, since] = held
        num_rounds = self.rows.num_rounds(challenger)
        if num_rounds != held.num_rounds:
            shared = self.rows.shared((champion, challenger), since, max(held.num_rounds, 0))
            held.num_rounds = num_rounds
            if shared is not None:
                (a, b), origins = shared
                held.tally.add(a, b, origins)
            held.found = self._measured(held.tally)
        return held

    def _measured(self, tally: PairTally) -> Measured:
        signers = self.rows.signers
        total = float(tally.sums[:, NUM].sum())
        everything = np.ones(len(signers), dtype=bool)
        odd = frozenset[Origin]()
        if len(signers) > 1 and total:
            clipped = tally.clipped(everything)
            if _may_be_odd(clipped, self.epsilon_end):
                odd = _odd(clipped, signers, self.epsilon_end)
        kept = np.array([s not in odd for s in signers])
        num_kept = float(tally.sums[kept, NUM].sum())
        is_suspect = 2 * num_kept < total or _are_most(tally.sums, signers, odd)
        sums = tally.pooled(kept if not is_suspect else ~everything)
        deficit, squares = tally.sums[kept][:, [L, LL]].sum(axis=0)
        lead = -math.inf
        if sums.num_samples:
            lead = -float(deficit) / math.sqrt(squares) if squares > 0 else 0.0
        log_e = clipped_log_e_value(sums)
        even_log_e, even_lead, even_loss = log_e, lead, sums.challenger
        if len(signers) > 1 and sums.num_samples:
            gain, squares_of_gain, product = _evened(tally.clipped(everything), signers, D, AD, DD)[
                kept
            ].sum(axis=0)
            even = replace(sums, clipped_gain=float(gain), clipped_squares=float(squares_of_gain))
            even_log_e = min(log_e, clipped_log_e_value(even))
            champion, squared = tally.sums[kept][:, [A, AA]].sum(axis=0)
            m = self.epsilon_end
            spread = squares_of_gain - 2 * m * product + m * m * squared
            even_lead = float(gain - m * champion) / math.sqrt(spread) if spread > 0 else 0.0
            even_loss = self._even_loss(tally, kept)
        return Measured(
            sums=sums,
            log_e=log_e,
            plain_log_e=log_e_value(sums),
            even_log_e=even_log_e,
            lead=lead,
            even_lead=even_lead,
            even_loss=even_loss,
            odd=tuple(sorted(odd, key=lambda o: (o.task, o.signer or ""))),
            num_set_aside=int(total - num_kept),
            is_suspect=is_suspect,
        )

    def _trio(self, tally: PairTally, extra: Array, odd: Sequence[Origin]) -> Trio | None:
        kept = np.array([s not in odd for s in self.rows.signers])
        if not tally.sums[kept, NUM].sum():
            return None
        sums = tally.pooled(kept)
        challenger, lead, squares = extra[kept].sum(axis=0)
        return Trio(
            champion=sums.champion,
            rival=sums.challenger,
            challenger=float(challenger),
            lead=float(lead) / math.sqrt(squares) if squares > 0 else 0.0,
            log_e=clipped_log_e_value(sums),
            even_rival=self._even_loss(tally, kept),
            num_samples=sums.num_samples,
        )

    def _even_loss(self, tally: PairTally, kept: npt.NDArray[np.bool_]) -> float:
        gain = _evened(tally.sums, self.rows.signers, D, AD, DD)[kept, 0].sum()
        return float(tally.sums[kept, A].sum() - gain)


def stopped_after(
    champion: Array, challenger: Array, origins: Indices, signers: Sequence[Origin], margin: float
) -> int | None:
    """Return after how many samples of its first round a new entry is stopped, if it is."""
    stop = min(len(champion), len(challenger))
    a, b = champion[:stop], challenger[:stop]
    features = features_of(a, b, margin)
    ends: list[int] = [*range(2 * BLOCK_SAMPLES, stop, BLOCK_SAMPLES), stop]
    sums = _prefixes(features, origins[:stop], len(signers), ends)  # one SF for each end
    cut = sums
    if len(signers) > 1:
        largest = np.maximum.accumulate(np.abs(features[D]))
        means = np.cumsum(a) / np.arange(1, stop + 1)
        cut = sums.copy()
        for n, end in enumerate(ends):
            if largest[end - 1] > means[end - 1]:
                wild = features[:, :end].copy()
                wild[D] = np.clip(wild[D], -means[end - 1], means[end - 1])
                wild[AD], wild[DD] = wild[A] * wild[D], wild[D] * wild[D]
                cut[n] = grouped(wild, origins[:end], len(signers))
    for end, plain, clipped, is_odd in zip(ends, sums, cut, _may_be_odd(cut, margin), strict=True):
        odd = _odd(clipped, signers, margin) if is_odd else frozenset[Origin]()
        if is_hopeless_by(plain, signers, margin, odd):
            return end
    return None


def _prefixes(features: Array, origins: Indices, num: int, ends: Sequence[int]) -> Array:
    """Return the features summed by signer, up to each end."""
    starts = [0, *ends[:-1]]
    parts = [
        grouped(features[:, start:end], origins[start:end], num)
        for start, end in zip(starts, ends, strict=True)
    ]
    sums: Array = np.cumsum(parts, axis=0)
    return sums


def is_hopeless_by(
    sums: Array, signers: Sequence[Origin], margin: float, odd: Iterable[Origin]
) -> bool:
    """True if an entry must be stopped, by the sums of its rows against the champion's."""
    out = set(odd)
    left = sums[[s not in out for s in signers]].sum(axis=0) if out else sums.sum(axis=0)
    if out and (2 * left[NUM] < sums[:, NUM].sum() or _are_most(sums, signers, out)):
        return False
    if left[NUM] < MIN_SAMPLES or not left[L] > PROMISING * math.sqrt(left[LL]):
        return False
    plain = Race(
        margin=margin,
        num_samples=int(left[NUM]),
        champion=(float(left[A]),),
        deficit=(float(left[L]),),
        squares=(float(left[LL]),),
    )
    if len(signers) < 2 or not plain.is_hopeless:
        return plain.is_hopeless
    # The sum of a times the lag follows from the others, see ``features_of``.
    lags = np.column_stack([sums, margin * sums[:, AA] - sums[:, AD]])
    kept = [s not in out for s in signers]
    deficit, squares, _ = _evened(lags, signers, L, lags.shape[1] - 1, LL)[kept].sum(axis=0)
    mean = float(left[A] / left[NUM])
    prior = RETIRE_PRIOR_SAMPLES * mean * mean
    return log_mixture(float(deficit), float(squares), prior) >= LOG_EVEN_RETIRE_LEVEL


def _evened(
    sums: Array, signers: Sequence[Origin], first: int, product: int, squares: int
) -> Array:
    """Return for each signer sums of its terms, reduced so that it does not exceed the median.

    The sums are those of the terms, of their squares, and of their products with the champion's
    loss, as in ``sn37.domain.round.even_signers``. The columns ``first``, ``squares`` and
    ``product`` hold them before the reduction.
    """
    by_task: dict[TaskName, list[int]] = {}
    for place, origin in enumerate(signers):
        if sums[place, A] > 0:
            by_task.setdefault(origin.task, []).append(place)
    beyond = np.zeros(len(sums))
    for places in by_task.values():
        shares = sums[places, first] / sums[places, A]
        beyond[places] = np.maximum(shares - np.sort(shares)[(len(shares) - 1) // 2], 0.0)
    return np.stack(
        [
            sums[:, first] - beyond * sums[:, A],
            sums[:, squares] - 2 * beyond * sums[:, product] + beyond * beyond * sums[:, AA],
            sums[:, product] - beyond * sums[:, AA],
        ],
        axis=1,
    )


def _are_most(sums: Array, signers: Sequence[Origin], odd: Collection[Origin]) -> bool:
    """True if more than half of the signers that are judged alone are odd, as in the domain."""
    judged = [
        origin
        for origin, num in zip(signers, sums[:, NUM], strict=True)
        if origin.signer is not None and num >= MIN_SIGNED
    ]
    return 2 * sum(origin in odd for origin in judged) > len(judged)


def _may_be_odd(sums: Array, least: float) -> npt.NDArray[np.bool_]:
    """Return where the domain may find odd signers, for sums of shape ...SF.

    It is the domain's first comparison, for all signers at once, with a tolerance for rounding.
    Index 0 is that of unsigned rows.
    """
    if sums.shape[-2] < 2:
        return np.zeros(sums.shape[:-2], dtype=bool)
    total = sums.sum(axis=-2, keepdims=True)
    signed = sums[..., 1:, :]
    is_few = signed[..., NUM] < MIN_SIGNED
    few = np.where(is_few[..., None], signed, 0.0).sum(axis=-2, keepdims=True)
    judged = np.concatenate([np.where(is_few[..., None], 0.0, signed), few], axis=-2)
    others = total - judged
    with np.errstate(divide="ignore", invalid="ignore"):
        share = others[..., D] / others[..., A]
        mean, variance = _excess(judged, share)
        scale = judged[..., A] / judged[..., NUM] / (others[..., A] / others[..., NUM])
        variance = variance + _excess(others, share)[1] * scale * scale
        is_far = np.abs(mean) > 0.99 * SIGNER_Z * np.sqrt(variance)
        is_large = np.abs(mean) > 0.99 * least * judged[..., A] / judged[..., NUM]
    found: npt.NDArray[np.bool_] = (is_far & is_large).any(axis=-1)
    return found


def _excess(rows: Array, share: Array) -> tuple[Array, Array]:
    """Return the mean of ``d - share * a`` and its variance; see ``RowSums.excess``."""
    num = rows[..., NUM]
    mean = (rows[..., D] - share * rows[..., A]) / num
    squares = rows[..., DD] - 2 * share * rows[..., AD] + share * share * rows[..., AA]
    return mean, np.maximum(squares / num - mean * mean, 0.0) / num


def _odd(sums: Array, signers: Sequence[Origin], least: float) -> frozenset[Origin]:
    groups: dict[TaskName, dict[Origin, RowSums]] = {}
    for signer, row in zip(signers, sums, strict=True):
        if row[NUM]:
            rows = RowSums(int(row[NUM]), *row[[A, D, AA, AD, DD]].tolist())
            groups.setdefault(signer.task, {})[signer] = rows
    return odd_among(groups, least=least)
