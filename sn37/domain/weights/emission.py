"""Split of the subnet's emission between competitions and their winners."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sn37.domain.ids import CompetitionId, Hotkey
from sn37.domain.weight_vector import WeightVector


def split_emission(
    shares: Mapping[CompetitionId, float],
    standings: Mapping[CompetitionId, Mapping[Hotkey, float]],
    *,
    paid: Mapping[CompetitionId, float] | None = None,
    burn: Hotkey | None = None,
) -> WeightVector:
    """Return each competition's share of the emission times its standings, summed by hotkey.

    Example: shares 0.7 and 0.3, A holds the first competition, A and B half of the second
    each: A gets 0.85, B 0.15. A competition without standings gives its share to ``burn``, or
    if that is not set, to the other competitions in proportion. Standings are scaled to sum 1.
    Sums are exactly rounded, so the order of the mappings does not matter.

    Args:
        paid: Part of its share that a competition pays by its standings, 0 to 1; 1 if not
            listed. The rest goes where the share of a competition without standings goes, so
            without ``burn`` a part that all competitions have in common changes nothing.

    Raises:
        ValueError: No hotkey can be paid, because no competition with a share has standings and
            ``burn`` is not set; or a number is negative or not finite, or more than 1 is paid.
    """
    paid = paid or {}
    if not all(0 <= part <= 1 for part in paid.values()):
        raise ValueError(f"a competition pays 0 to 1 of its share, not {dict(paid)}")
    for number in (*shares.values(), *(w for s in standings.values() for w in s.values())):
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"shares and standings must be finite and non-negative, not {number}")
    held = {c: _scaled(standings.get(c, {})) for c in shares}
    parts: dict[Hotkey, list[float]] = {}
    given = {c: shares[c] * paid.get(c, 1.0) if held[c] else 0.0 for c in shares}
    total = math.fsum(given.values() if burn is None else shares.values())
    if total <= 0:
        raise ValueError("no competition with a share has standings, and no hotkey to burn is set")
    for competition, standing in held.items():
        for hotkey, part in standing.items():
            parts.setdefault(hotkey, []).append(given[competition] / total * part)
        if burn is not None:
            rest = shares[competition] - given[competition]
            parts.setdefault(burn, []).append(rest / total)
    sums = {hotkey: math.fsum(parts[hotkey]) for hotkey in sorted(parts)}
    return WeightVector({hotkey: share for hotkey, share in sums.items() if share > 0})


def _scaled(standing: Mapping[Hotkey, float]) -> Mapping[Hotkey, float]:
    """Return the standing scaled to sum 1; empty if it has no weight at all."""
    mass = math.fsum(standing.values())
    return {hotkey: weight / mass for hotkey, weight in standing.items()} if mass > 0 else {}
