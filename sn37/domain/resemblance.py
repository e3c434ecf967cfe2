"""Which entries are nearly an earlier one's model, by their losses on the same samples.

Equal tensors are found by their digest. A copy with a little noise, or one that went through
another dtype, has another digest and the same losses, but for next to nothing (attack 5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from sn37.domain.ids import EntryKey
from sn37.domain.scoring import BlockLosses

# Of the spread of losses over texts. Fine-tunes of one base are a fifth of it apart (their losses
# correlate by 0.98, see docs/winner.md); docs/decisions/0048 has what copies were measured at.
NEAR = 0.02
MIN_SAMPLES = 32  # of a task; fewer tell little of a spread


def distance(earlier: Sequence[BlockLosses], later: Sequence[BlockLosses]) -> float:
    """How far two entries' losses are apart, as a share of how far those of two texts are.

    The root of the mean squared difference over the standard deviation of the earlier entry's
    losses, on the samples that both were scored on; of several tasks the largest. Infinite when
    a task has fewer than 32 such samples, when a loss is no finite number, or when all of a
    task's losses are the same.
    """
    ours, theirs = _by_task(earlier), _by_task(later)
    if not ours or ours.keys() != theirs.keys():
        return math.inf
    return max(_task_distance(ours[task], theirs[task]) for task in ours)


def resembled(
    journal: Mapping[EntryKey, Sequence[BlockLosses]], order: Sequence[EntryKey]
) -> Mapping[EntryKey, EntryKey]:
    """Of each entry that is nearly an earlier one's model, the earliest such.

    Args:
        journal: The losses of one round.
        order: Its entries by precedence. Nothing is ever held against the earlier of two.
    """
    found: dict[EntryKey, EntryKey] = {}
    for position, later in enumerate(order):
        for earlier in order[:position]:
            if distance(journal.get(earlier, ()), journal.get(later, ())) < NEAR:
                found[later] = earlier
                break
    return found


def _by_task(blocks: Sequence[BlockLosses]) -> Mapping[str, Sequence[float]]:
    found: dict[str, list[float]] = {}
    for block in blocks:
        found.setdefault(block.block.task, []).extend(block.losses)
    return found


def _task_distance(ours: Sequence[float], theirs: Sequence[float]) -> float:
    num = min(len(ours), len(theirs))  # an entry that was stopped early has the first ones
    if num < MIN_SAMPLES or not all(map(math.isfinite, (*ours[:num], *theirs[:num]))):
        return math.inf
    middle = fmean(ours[:num])
    spread = math.fsum((a - middle) ** 2 for a in ours[:num])
    apart = math.fsum((a - b) ** 2 for a, b in zip(ours, theirs, strict=False))
    return math.sqrt(apart / spread) if spread else math.inf
