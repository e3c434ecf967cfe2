"""Near duplicates: entries that are nearly an earlier entry's model, by their losses.

Equal tensors are found by their digest. A copy with a little noise, or one converted through
another dtype, has another digest and almost exactly the same losses (attack 5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul, sub

from sn37.domain.ids import EntryKey
from sn37.domain.round.evidence import exact_sum
from sn37.domain.scoring.jobs import BlockLosses, as_float32

# Share of the spread of losses over texts. Fine-tunes of one base differ by a fifth of it (their
# losses correlate by 0.98, see docs/winner.md); docs/decisions/0048 has measurements of copies.
NEAR = 0.02
MIN_SAMPLES = 32  # per task; fewer do not show the spread


@dataclass(frozen=True, slots=True)
class _Losses:
    """Losses of one entry by task, in the order of scoring, with cached spreads."""

    by_task: Mapping[str, Sequence[float]]
    spreads: dict[tuple[str, int], float] = field(default_factory=dict)

    def spread(self, task: str, num: int) -> float:
        """Return the sum of squared distances of the first ``num`` losses from their mean."""
        if (task, num) not in self.spreads:
            losses = self.by_task[task][:num]
            middle = exact_sum(losses) / num
            self.spreads[task, num] = _squares([loss - middle for loss in losses])
        return self.spreads[task, num]


def distance(earlier: Sequence[BlockLosses], later: Sequence[BlockLosses]) -> float:
    """Return the distance of two entries' losses, relative to the spread over texts.

    It is the root of the mean squared difference over the standard deviation of the earlier
    entry's losses, rounded to float32, on the samples that both were scored on; the largest of
    all tasks. It is infinite if a task has fewer than 32 such samples, if a loss is not finite,
    or if all of a task's losses are equal.
    """
    return _distance(_losses(earlier), _losses(later))


def resembled(
    journal: Mapping[EntryKey, Sequence[BlockLosses]], order: Sequence[EntryKey]
) -> Mapping[EntryKey, EntryKey]:
    """Return, for each entry that is nearly an earlier one's model, the earliest such one.

    Quadratic in the number of entries: 25 with 704 samples each take 15 ms.

    Args:
        journal: The losses of one round.
        order: Its entries by precedence. The earlier of two is never flagged.
    """
    losses = {entry: _losses(journal.get(entry, ())) for entry in order}
    found: dict[EntryKey, EntryKey] = {}
    for position, later in enumerate(order):
        for earlier in order[:position]:
            if _distance(losses[earlier], losses[later]) < NEAR:
                found[later] = earlier
                break
    return found


def _losses(blocks: Sequence[BlockLosses]) -> _Losses:
    found: dict[str, list[float]] = {}
    for block in blocks:
        found.setdefault(block.block.task, []).extend(as_float32(block.losses))
    return _Losses(found)


def _distance(earlier: _Losses, later: _Losses) -> float:
    ours, theirs = earlier.by_task, later.by_task
    if not ours or ours.keys() != theirs.keys():
        return math.inf
    return max(_task_distance(earlier, task, theirs[task]) for task in ours)


def _task_distance(earlier: _Losses, task: str, theirs: Sequence[float]) -> float:
    ours = earlier.by_task[task]
    num = min(len(ours), len(theirs))  # an entry that was stopped early has the first ones
    if num < MIN_SAMPLES:
        return math.inf
    spread = earlier.spread(task, num)
    apart = _squares(list(map(sub, ours, theirs)))
    if not (spread and math.isfinite(spread) and math.isfinite(apart)):
        return math.inf  # there is a NaN or an infinite loss
    return math.sqrt(apart / spread)


def _squares(values: Sequence[float]) -> float:
    return exact_sum(map(mul, values, values))
