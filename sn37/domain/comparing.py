"""Two or three entries on the samples they share: the sums that every verdict rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from sn37.domain.evidence import (
    Evidence,
    Pooled,
    clipped,
    clipped_log_e_value,
    common_rounds,
    exact_sum,
    log_e_value,
    sums_of,
)
from sn37.domain.ids import Block, EntryKey
from sn37.domain.origins import (
    NOWHERE,
    Origin,
    OriginGain,
    Origins,
    gains_by_origin,
    odd_origins,
)

NO_ORIGINS: Origins = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """An eligible entry that is neither duplicate nor retired, with all its evidence.

    ``since`` is where its clock began: samples of earlier rounds do not count for it, and its
    ``precedence`` begins with that block. ``evidence`` may hold older rounds too. One that is not
    present was not scored in this round: it is not heard, but later ones still wait for it, by the
    samples that it has. One that is not readable cannot be crowned in this round.
    """

    key: EntryKey
    precedence: tuple[int, int, str]
    evidence: Evidence
    since: Block
    is_present: bool = True
    is_readable: bool = True

    @property
    def is_finite(self) -> bool:
        """Whether it may hold the crown or be compared: no evidence is NaN or infinite."""
        return all(math.isfinite(v) for values in self.evidence.values() for v in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A challenger against a champion, on their common samples that count."""

    sums: Pooled
    log_e: float  # evidence of clipped differences, the one that is to reach the level
    plain_log_e: float  # of differences as they are
    lead: float  # beyond epsilon's end value, in its own spread; minus infinity without samples
    odd: tuple[Origin, ...] = ()  # signers whose rows do not count between these two
    num_set_aside: int = 0  # rows of theirs
    is_suspect: bool = False  # most rows are such: there are sums of none


@dataclass(frozen=True, slots=True, kw_only=True)
class Trio:
    """A champion, an earlier rival and a challenger on the samples that all three share."""

    champion: float  # pooled losses
    rival: float
    challenger: float
    lead: float  # the challenger's over the rival, as in ``Measured``
    log_e: float  # the rival's evidence against the champion


@dataclass(slots=True)
class Comparer:
    """Measures entries against each other; each pair and each trio once.

    Contestants of one key are taken for the same: a comparer serves one round, after its losses
    are complete.
    """

    epsilon_end: float
    origins: Origins = field(default_factory=dict)
    _pairs: dict[tuple[EntryKey, EntryKey], Measured] = field(init=False, default_factory=dict)
    _trios: dict[tuple[EntryKey, EntryKey, EntryKey], Trio | None] = field(
        init=False, default_factory=dict
    )

    def measure(self, champion: Contestant, challenger: Contestant) -> Measured:
        """The challenger's case, since its clock."""
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
        """All three since the challenger's clock; ``None`` when they share no sample.

        Rows that do not count between champion and rival are left out.
        """
        trio = (champion.key, rival.key, challenger.key)
        if trio not in self._trios:
            self._trios[trio] = self._of_three(champion, rival, challenger)
        return self._trios[trio]

    def _of_three(
        self, champion: Contestant, rival: Contestant, challenger: Contestant
    ) -> Trio | None:
        odd = set(self.measure(champion, rival).odd)
        held = [c.evidence for c in (champion, rival, challenger)]
        (a, e, b), origins = _gathered(held, challenger.since, self.origins)
        keep = [i for i, origin in enumerate(origins) if origin not in odd]
        if not keep:
            return None
        a, e, b = ([values[i] for i in keep] for values in (a, e, b))
        return Trio(
            champion=exact_sum(a),
            rival=exact_sum(e),
            challenger=exact_sum(b),
            lead=_lead(e, b, self.epsilon_end),
            log_e=clipped_log_e_value(sums_of(a, e, [origins[i].task for i in keep])),
        )


def measure(
    champion: Evidence,
    challenger: Evidence,
    *,
    since: Block,
    epsilon_end: float,
    origins: Origins = NO_ORIGINS,
) -> Measured:
    """A challenger against a champion over all common rounds from ``since`` on.

    Linear in the number of samples: 2 ms for 1,000.
    """
    a, b, of, odd, is_suspect = counted(
        champion, challenger, since=since, epsilon_end=epsilon_end, origins=origins
    )
    num_set_aside = of.count(None)
    if is_suspect:
        a, b = [], []
    tasks = [origin.task for origin in of if origin is not None]
    sums = sums_of(a, b, tasks if a else None)
    return Measured(
        sums=sums,
        log_e=clipped_log_e_value(sums),
        plain_log_e=log_e_value(sums),
        lead=_lead(a, b, epsilon_end),
        odd=odd,
        num_set_aside=num_set_aside,
        is_suspect=is_suspect,
    )


def counted(
    champion: Evidence,
    challenger: Evidence,
    *,
    since: Block,
    epsilon_end: float,
    origins: Origins,
) -> tuple[list[float], list[float], list[Origin | None], tuple[Origin, ...], bool]:
    """Both entries' values that count, each row's origin (``None`` for those left out), the odd
    origins, and whether most rows are theirs."""
    (a, b), of = _gathered([champion, challenger], since, origins)
    odd: frozenset[Origin] = frozenset()
    if any(origin.signer is not None for origin in of):
        gains = clipped(a, [x - y for x, y in zip(a, b, strict=True)], [o.task for o in of])
        odd = odd_origins(a, gains, of, least=epsilon_end)
    shown = [None if origin in odd else origin for origin in of]
    keep = [i for i, origin in enumerate(shown) if origin is not None]
    return (
        [a[i] for i in keep],
        [b[i] for i in keep],
        shown,
        tuple(sorted(odd, key=lambda o: (o.task, o.signer or ""))),
        2 * len(keep) < len(of),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerCase:
    """What one signer's rows of a task do to the case of a challenger against a champion.

    Attributes:
        better: Share of the champion's pooled loss by which the challenger is better without these
            rows; ``None`` where no row is left.
        log_e: The evidence without them.
        is_odd: They do not count between the two.
    """

    origin: Origin
    gain: OriginGain
    better: float | None
    log_e: float
    is_odd: bool


def by_signer(
    champion: Evidence,
    challenger: Evidence,
    *,
    since: Block,
    epsilon_end: float,
    origins: Origins,
) -> tuple[SignerCase, ...]:
    """Each signer's rows of each task, and margin and evidence with them left out in turn.

    In the order of tasks and signers. Rows that nobody signed are left out of it. All rows take
    part here, those of odd signers as well.
    """
    (a, b), of = _gathered([champion, challenger], since, origins)
    gains = clipped(a, [x - y for x, y in zip(a, b, strict=True)], [o.task for o in of])
    odd = odd_origins(a, gains, of, least=epsilon_end)
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


def _lead(champion: Sequence[float], challenger: Sequence[float], margin: float) -> float:
    """The sum of ``a (1 - margin) - b`` over the root of its sum of squares."""
    if not champion:
        return -math.inf
    terms = [a * (1 - margin) - b for a, b in zip(champion, challenger, strict=True)]
    total, squares = exact_sum(terms), exact_sum(t * t for t in terms)
    if math.isnan(total) or math.isnan(squares):
        return -math.inf
    return total / math.sqrt(squares) if squares > 0 else 0.0
