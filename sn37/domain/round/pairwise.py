"""Winner rule of existing networks, kept for comparison.

It keeps no evidence between rounds, so a copy of the winner needs only one lucky round.
``sn37 simulate`` shows how soon that happens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sn37.domain.ids import Block
from sn37.domain.round.comparing import Contestant
from sn37.domain.round.evidence import exact_sum, log_e_value, pooled
from sn37.domain.round.signers import Origins
from sn37.domain.round.winner import Comparison, Crown, Decision, Hurdle
from sn37.domain.schedule.epsilon import Epsilon


def count_wins(
    scores: Sequence[float], blocks: Sequence[Block], *, at: Block, epsilon: Epsilon
) -> tuple[int, ...]:
    """Return, for each model, the number of others that it beats in one round.

    The loss of the earlier of two is multiplied by (1 - epsilon) first. If both were committed in
    one block, neither has the advantage. A non-finite score never wins.
    """
    keep = [1 - epsilon.at(committed=b, now=at) for b in blocks]

    def wins(i: int, j: int) -> bool:
        ours = scores[i] * keep[i] if blocks[i] < blocks[j] else scores[i]
        theirs = scores[j] * keep[j] if blocks[j] < blocks[i] else scores[j]
        return math.isfinite(ours) and ours < theirs

    indices = range(len(scores))
    return tuple(sum(wins(i, j) for j in indices if j != i) for i in indices)


@dataclass(frozen=True, slots=True)
class PairwiseWinRate:
    """Rule: the highest win rate over all pairs of the round wins; on ties the earlier one."""

    def decide(
        self,
        *,
        crown: Crown,
        contestants: Sequence[Contestant],
        at: Block,
        epsilon: Epsilon,
        origins: Origins,
    ) -> Decision:
        """Decide by the round at ``at`` alone; the previous holder of the crown does not matter."""
        queue = sorted(
            (c for c in contestants if c.is_finite and c.evidence.get(at)),
            key=lambda c: c.precedence,
        )
        if not queue:
            return Decision(champion=None)
        scores = [exact_sum(c.evidence[at]) / len(c.evidence[at]) for c in queue]
        wins = count_wins(scores, [c.key.block for c in queue], at=at, epsilon=epsilon)
        best = max(range(len(queue)), key=lambda i: (wins[i], -i))
        return Decision(
            champion=queue[best].key,
            comparisons=tuple(
                _shown(queue[best], c, at=at, epsilon=epsilon) for c in queue if c != queue[best]
            ),
        )


def _shown(winner: Contestant, other: Contestant, *, at: Block, epsilon: Epsilon) -> Comparison:
    sums = pooled({at: winner.evidence[at]}, {at: other.evidence[at]})
    return Comparison(
        challenger=other.key,
        champion=winner.key,
        num_samples=sums.num_samples,
        ratio=sums.ratio,
        log_e=log_e_value(sums),
        epsilon=epsilon.at(committed=winner.key.block, now=at),
        hurdle=Hurdle.MARGIN,
    )
