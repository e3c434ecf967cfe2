"""Entries whose losses are nearly those of an earlier one: told, and held against nobody.

Noise on the weights or another dtype and back gives other tensors, hence no duplicate, but
nearly the same loss on every sample. Such an entry takes no crown from the one it is like,
because it is not better by a margin; that it is alike is for people to see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sn37.domain.evidence import ALL_ROUNDS, common, exact_sum
from sn37.domain.ids import EntryKey
from sn37.domain.winner import Contestant

# Mean distance of two losses of one sample, as a share of the mean loss. Noise of 0.2 % on each
# weight of SmolLM2-135M comes to 0.18 %, of 0.05 % to nothing, since bfloat16 rounds it away.
ALIKE = 0.005
MIN_SAMPLES = 32  # in common; fewer show little


def alike(contestants: Sequence[Contestant]) -> Mapping[EntryKey, EntryKey]:
    """Each entry that is like an earlier one, with the earliest that it is like.

    An earlier entry is never named for a later one's sake. Quadratic in the contestants,
    of whom a round has few; 0.2 ms a pair and 1,000 samples.
    """
    queue = sorted((c for c in contestants if c.is_finite), key=lambda c: c.precedence)
    found: dict[EntryKey, EntryKey] = {}
    for position, entry in enumerate(queue):
        for earlier in queue[:position]:
            if _are_alike(earlier, entry):
                found[entry.key] = earlier.key
                break
    return found


def _are_alike(earlier: Contestant, later: Contestant) -> bool:
    shared = common((earlier.evidence, later.evidence), since=ALL_ROUNDS)
    pairs = [pair for ours, theirs in shared for pair in zip(ours, theirs, strict=True)]
    if len(pairs) < MIN_SAMPLES:
        return False
    return exact_sum(abs(a - b) for a, b in pairs) <= ALIKE * exact_sum(a for a, _ in pairs)
