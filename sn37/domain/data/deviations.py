"""Limits on how much a signer's row may differ from the rows of the other signers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from heapq import nlargest
from statistics import median

from sn37.domain.ids import Hotkey

# The unit of deviations is 1.4826 MAD, which is the standard deviation of normal data.
NORMAL_MAD = 1.4826

# Returns the largest ordinary value, from the values of one signer.
LimitOf = Callable[[Sequence[float]], float]


def limits_for(
    signers: Sequence[Hotkey | None], values: Sequence[float], limit_of: LimitOf
) -> list[float]:
    """Return the limit for each value; a value above its limit is an outlier.

    Each signer's values give a limit. A signer's value is compared with the second highest limit
    of the other signers. So one signer alone can neither set aside another's rows nor protect its
    own. With fewer than three signers, and for unsigned rows, all values together give the limit.
    """
    by_signer: defaultdict[Hotkey, list[float]] = defaultdict(list)
    for signer, value in zip(signers, values, strict=True):
        if signer is not None:
            by_signer[signer].append(value)
    limits = {signer: limit_of(theirs) for signer, theirs in by_signer.items()}
    highest = nlargest(3, limits.values())
    for_all = limit_of(values) if values else math.inf
    found = []
    for signer in signers:
        limit = for_all
        if signer is not None and len(highest) == 3:
            limit = highest[2] if limits[signer] >= highest[1] else highest[1]
        found.append(limit)
    return found


def limit(values: Sequence[float], max_deviations: float, least_unit: float) -> float:
    """Return the median plus ``max_deviations`` units, where a unit is at least ``least_unit``."""
    middle = median(values)
    mad = median(abs(v - middle) for v in values)
    return middle + max_deviations * max(NORMAL_MAD * mad, least_unit)
