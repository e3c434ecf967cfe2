"""Comparison of two or three entries on shared samples: the sums that every verdict uses."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from sn37.domain.ids import Block, EntryKey
from sn37.domain.round.bounds import Bounds, Held, Sums
from sn37.domain.round.even_signers import Share, evened, shares_of
from sn37.domain.round.evidence import (
    Evidence,
    Pooled,
    clipped,
    clipped_log_e_value,
    common_rounds,
    exact_sum,
    log_e_of,
    log_e_value,
    sums_of,
)
from sn37.domain.round.odd_signers import MIN_SIGNED, OriginGain, gains_by_origin, odd_origins
from sn37.domain.round.signers import NOWHERE, Origin, Origins

# Smallest lead with even signers. An entry that leads only by the rows of a few signers falls
# behind with even signers, further in each round. Even signers cost an honest entry 1.2 units with
# nine signers, so -3 leaves it nearly as much room as ``STAYING_LEAD`` does.
EVEN_LEAD = -3.0

# In units of the lead's own spread. An entry with a larger lead leads, or is behind by luck alone.
STAYING_LEAD = -2.0
# An entry is a copy if the margin is at least this share of the root mean square of its differences
# from the original. With a margin of 0.5 %, a copy differs by less than 5 % of a loss; two
# fine-tunes differ by about 9 %.
COPIED = 0.1

NO_ORIGINS: Origins = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """An eligible entry that is neither duplicate nor retired, with all its evidence.

    ``since`` is the block at which its clock began: samples of earlier rounds do not count for it,
    and its ``precedence`` begins with that block. ``evidence`` may hold older rounds too. An entry
    that is not present was not scored in this round: it is not compared, but later ones still wait
    for it, by the samples that it has. An entry that is not readable cannot be crowned in this
    round.
    """

    key: EntryKey
    precedence: tuple[int, int, str]
    evidence: Evidence
    since: Block
    is_present: bool = True
    is_readable: bool = True

    @property
    def is_finite(self) -> bool:
        """True if no evidence is NaN or infinite. Others are not compared and hold no crown."""
        return all(all(map(math.isfinite, values)) for values in self.evidence.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A challenger compared with a champion, on their common samples that count."""

    sums: Pooled
    log_e: float  # evidence of clipped differences, which must reach the level
    plain_log_e: float  # evidence of differences as they are
    even_log_e: float  # evidence with even signers, see ``even_signers``
    lead: float  # beyond epsilon's end value, in units of its spread; -inf without samples
    even_lead: float  # the same with even signers
    even_loss: float  # the challenger's pooled loss with even signers
    odd: tuple[Origin, ...] = ()  # signers whose rows do not count between these two
    num_set_aside: int = 0  # number of their rows
    is_suspect: bool = False  # most rows, or most signers, are odd: no row counts

    @property
    def rests_on_few(self) -> bool:
        """True if only a minority of the signers keeps the challenger from being far behind."""
        return self.even_lead < EVEN_LEAD <= self.lead

    @property
    def even_ratio(self) -> float:
        """Return the same as ``Pooled.ratio``, with even signers."""
        return self.even_loss / self.sums.champion if self.sums.champion else math.nan

    def clears_evenly(self, margin: float) -> bool:
        """True if the challenger leads by ``margin`` with even signers as well."""
        return self.even_loss < self.sums.champion * (1 - margin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trio:
    """A champion, an earlier rival and a challenger on the samples that all three share."""

    champion: float  # pooled losses
    rival: float
    challenger: float
    lead: float  # of the challenger over the rival, as in ``Measured``
    log_e: float  # the rival's evidence against the champion
    even_rival: float  # the rival's pooled loss with even signers, as ``Measured.even_loss``
    num_samples: int

    def follows(self, margin: float, epsilon_end: float) -> bool:
        """True if the challenger follows the rival.

        The rival leads the champion by ``margin``, and the challenger is not better than the rival
        by ``epsilon_end``.
        """
        return self.rival < self.champion * (1 - margin) and not (
            self.challenger < self.rival * (1 - epsilon_end)
        )

    @property
    def is_copy(self) -> bool:
        """True if the challenger is a copy of the rival.

        It is surely not better than the rival by epsilon's end value, and hardly differs from it.
        A copy with little noise is found after its first block of samples. An independent fine-tune
        is never found, however many samples show that the two are equally good.
        """
        return self.lead < copies_below(self.num_samples)

    def clears_evenly(self, margin: float) -> bool:
        """True if the rival leads the champion by ``margin`` with even signers."""
        return self.even_rival < self.champion * (1 - margin)


def copies_below(num_samples: int) -> float:
    """Return the lead over a rival below which an entry is a copy of it."""
    return min(STAYING_LEAD, -COPIED * math.sqrt(num_samples))


@dataclass(slots=True)
class Comparer:
    """Compares entries with each other; each pair and each trio is computed once.

    A trio is linear in the number of samples, a millisecond for 1,000. ``bounds`` are much cheaper:
    code that needs every pair of many entries computes them first.

    Contestants with equal keys are treated as equal: a comparer serves one round, after its losses
    are complete.
    """

    epsilon_end: float
    origins: Origins = field(default_factory=dict)
    _pairs: dict[tuple[EntryKey, EntryKey], Measured] = field(init=False, default_factory=dict)
    _trios: dict[tuple[EntryKey, EntryKey, EntryKey], Trio | None] = field(
        init=False, default_factory=dict
    )
    _bounds: dict[tuple[EntryKey, EntryKey, EntryKey], Bounds | None] = field(
        init=False, default_factory=dict
    )
    _sums: Sums = field(init=False)

    def __post_init__(self) -> None:
        self._sums = Sums(self.epsilon_end, self.origins)

    def measure(self, champion: Contestant, challenger: Contestant) -> Measured:
        """Compare the challenger with the champion, from the beginning of its clock."""
        pair = (champion.key, challenger.key)
        if pair not in self._pairs:
            self._pairs[pair] = measure(
                champion.evidence,
                challenger.evidence,
                since=challenger.since,
                epsilon_end=self.epsilon_end,
                origins=self.origins,
            )
        return self._pairs[pair]

    def of_three(
        self, champion: Contestant, rival: Contestant, challenger: Contestant
    ) -> Trio | None:
        """Compare all three since the challenger's clock; ``None`` if they share no sample.

        Rows that do not count between champion and rival are left out.
        """
        trio = (champion.key, rival.key, challenger.key)
        if trio not in self._trios:
            self._trios[trio] = self._of_three(champion, rival, challenger)
        return self._trios[trio]

    def bounds(
        self, champion: Contestant, rival: Contestant, challenger: Contestant
    ) -> Bounds | None:
        """Return bounds of ``of_three``; ``None`` if that is ``None``."""
        trio = (champion.key, rival.key, challenger.key)
        if trio not in self._bounds:
            self._bounds[trio] = self._sums.of_three(
                *(Held(c.key, c.evidence) for c in (champion, rival, challenger)),
                since=challenger.since,
                odd=self.measure(champion, rival).odd,
            )
        return self._bounds[trio]

    def is_copy(self, champion: Contestant, rival: Contestant, challenger: Contestant) -> bool:
        """True if ``of_three`` says that the challenger is a copy of the rival."""
        bounds = self.bounds(champion, rival, challenger)
        if bounds is None or bounds.lead[0] >= copies_below(bounds.num_samples):
            return False
        trio = self.of_three(champion, rival, challenger)
        return trio is not None and trio.is_copy

    def _of_three(
        self, champion: Contestant, rival: Contestant, challenger: Contestant
    ) -> Trio | None:
        odd = set(self.measure(champion, rival).odd)
        held = [c.evidence for c in (champion, rival, challenger)]
        (a, e, b), origins = _gathered(held, challenger.since, self.origins)
        keep = [i for i, origin in enumerate(origins) if origin not in odd]
        if not keep:
            return None
        even = evened(a, _differences(a, e), origins)
        a, e, b, even = ([values[i] for i in keep] for values in (a, e, b, even))
        return Trio(
            champion=exact_sum(a),
            rival=exact_sum(e),
            challenger=exact_sum(b),
            lead=_lead(e, b, self.epsilon_end),
            log_e=clipped_log_e_value(sums_of(a, e, [origins[i].task for i in keep])),
            even_rival=_even_loss(a, e, even if _is_signed(origins) else ()),
            num_samples=len(keep),
        )


def measure(
    champion: Evidence,
    challenger: Evidence,
    *,
    since: Block,
    epsilon_end: float,
    origins: Origins = NO_ORIGINS,
) -> Measured:
    """Compare a challenger with a champion over all common rounds from ``since`` on.

    Linear in the number of samples: 2 ms for 1,000.
    """
    found = counted(champion, challenger, since=since, epsilon_end=epsilon_end, origins=origins)
    a, b, known = ([], [], []) if found.is_suspect else (found.a, found.b, found.known)
    sums = sums_of(a, b, [origin.task for origin in known] if a else None)
    log_e = clipped_log_e_value(sums)
    even = [] if found.is_suspect else found.evened(found.clipped_gains())
    lead = even_lead = _lead(a, b, epsilon_end)
    even_plain: list[float] = []
    if even and _is_signed(known):
        even_lead = _in_spread(g - epsilon_end * x for g, x in zip(even, a, strict=True))
        even_plain = found.evened(_differences(found.all_a, found.all_b))
    return Measured(
        sums=sums,
        log_e=log_e,
        plain_log_e=log_e_value(sums),
        even_log_e=min(log_e, log_e_of(sums, even)),
        lead=lead,
        even_lead=even_lead,
        even_loss=_even_loss(a, b, even_plain),
        odd=found.odd,
        num_set_aside=found.of.count(None),
        is_suspect=found.is_suspect,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Rows that two entries share, and which of them count between the two."""

    all_a: list[float]  # the champion's values on every row
    all_b: list[float]
    all_of: list[Origin]
    of: list[Origin | None]  # the same, with ``None`` for rows that do not count
    odd: tuple[Origin, ...]  # their rows do not count
    is_suspect: bool  # most rows, or most signers, are odd: there is no verdict

    @property
    def a(self) -> list[float]:
        """The champion's values on the rows that count."""
        return self._kept(self.all_a)

    @property
    def b(self) -> list[float]:
        """The challenger's values on the same rows."""
        return self._kept(self.all_b)

    @property
    def known(self) -> list[Origin]:
        """Origins of the rows that count."""
        return [origin for origin in self.of if origin is not None]

    def clipped_gains(self) -> list[float]:
        """Return the differences of all rows, clipped as for evidence."""
        gains = _differences(self.all_a, self.all_b)
        return clipped(self.all_a, gains, [origin.task for origin in self.all_of])

    def evened(self, gains: Sequence[float]) -> list[float]:
        """Return the gains on the rows that count, with even signers.

        Odd signers are counted in the median. Without them, a few signers that have most of the
        rows would be the majority of those that are left.

        Args:
            gains: One for each row, whether it counts or not.
        """
        return self._kept(evened(self.all_a, gains, self.all_of))

    def _kept(self, values: Sequence[float]) -> list[float]:
        return [v for v, origin in zip(values, self.of, strict=True) if origin is not None]


def counted(
    champion: Evidence,
    challenger: Evidence,
    *,
    since: Block,
    epsilon_end: float,
    origins: Origins,
) -> Counted:
    """Return the common rows of two entries from ``since`` on, and which of them count."""
    (a, b), of = _gathered([champion, challenger], since, origins)
    odd: frozenset[Origin] = frozenset()
    if _is_signed(of):
        gains = clipped(a, _differences(a, b), [o.task for o in of])
        odd = odd_origins(a, gains, of, least=epsilon_end)
    shown = [None if origin in odd else origin for origin in of]
    return Counted(
        all_a=a,
        all_b=b,
        all_of=of,
        of=shown,
        odd=tuple(sorted(odd, key=lambda o: (o.task, o.signer or ""))),
        is_suspect=2 * shown.count(None) > len(of) or _are_most(odd, of),
    )


def _are_most(odd: Collection[Origin], of: Sequence[Origin]) -> bool:
    """True if more than half of the signers with enough rows to be judged alone are odd.

    Two signers that flood a draw have most of its rows, and then the other signers look odd.
    """
    num_rows = Counter(origin for origin in of if origin.signer is not None)
    judged = {origin for origin, num in num_rows.items() if num >= MIN_SIGNED}
    return 2 * len(judged.intersection(odd)) > len(judged)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerCase:
    """Effect of one signer's rows of a task on the comparison of challenger and champion.

    Attributes:
        better: Share of the champion's pooled loss by which the challenger is better without these
            rows; ``None`` if no row is left.
        log_e: The evidence without them.
        is_odd: They do not count between the two.
        share: The signer's gain and the median signer's, and the part that is taken off for even
            signers; ``None`` if the champion has no loss on these rows.
    """

    origin: Origin
    gain: OriginGain
    better: float | None
    log_e: float
    is_odd: bool
    share: Share | None


def by_signer(
    champion: Evidence,
    challenger: Evidence,
    *,
    since: Block,
    epsilon_end: float,
    origins: Origins,
) -> tuple[SignerCase, ...]:
    """Return margin and evidence with each signer's rows of each task left out in turn.

    The order is by task, then signer. Unsigned rows are always included, and so are those of odd
    signers.
    """
    (a, b), of = _gathered([champion, challenger], since, origins)
    gains = clipped(a, _differences(a, b), [o.task for o in of])
    odd = odd_origins(a, gains, of, least=epsilon_end)
    shares = shares_of(a, gains, of)
    cases = []
    for origin, gain in gains_by_origin(a, gains, of).items():
        if origin.signer is None:
            continue
        keep = [i for i, other in enumerate(of) if other != origin]
        sums = sums_of([a[i] for i in keep], [b[i] for i in keep], [of[i].task for i in keep])
        cases.append(
            SignerCase(
                origin=origin,
                gain=gain,
                better=1 - sums.challenger / sums.champion if sums.champion > 0 else None,
                log_e=clipped_log_e_value(sums),
                is_odd=origin in odd,
                share=shares.get(origin),
            )
        )
    return tuple(sorted(cases, key=lambda c: (c.origin.task, c.origin.signer or "")))


def _gathered(
    entries: Sequence[Evidence], since: Block, origins: Mapping[Block, tuple[Origin, ...]]
) -> tuple[list[list[float]], list[Origin]]:
    found: list[list[float]] = [[] for _ in entries]
    of: list[Origin] = []
    for sync, values in common_rounds(entries, since=since):
        for held, more in zip(found, values, strict=True):
            held += more
        num = len(values[0])
        known = origins.get(sync, ())[:num]
        of += [*known, *(NOWHERE,) * (num - len(known))]
    return found, of


def _is_signed(origins: Iterable[Origin]) -> bool:
    return any(origin.signer is not None for origin in origins)


def _differences(champion: Sequence[float], challenger: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(champion, challenger, strict=True)]


def _even_loss(
    champion: Sequence[float], challenger: Sequence[float], even: Sequence[float]
) -> float:
    """Return the challenger's pooled loss by its gains with even signers; if none, as it is."""
    if not even:
        return exact_sum(challenger)
    return exact_sum((*champion, *(-gain for gain in even)))


def _lead(champion: Sequence[float], challenger: Sequence[float], margin: float) -> float:
    """Return the sum of ``a (1 - margin) - b`` over the root of its sum of squares."""
    if not champion:
        return -math.inf
    return _in_spread(a * (1 - margin) - b for a, b in zip(champion, challenger, strict=True))


def _in_spread(values: Iterable[float]) -> float:
    terms = list(values)
    total, squares = exact_sum(terms), exact_sum(t * t for t in terms)
    if math.isnan(total) or math.isnan(squares):
        return -math.inf
    return total / math.sqrt(squares) if squares > 0 else 0.0
