"""First winner rule, before revision 2. Rounds that it judged are audited by it.

A challenger needs margin and evidence against a champion, as in ``KingOfTheHill``. The
changes of revision 2 in docs/winner.md are missing: no entry waits for one outside the round, a
vacant crown goes to the earliest commitment present, differences are not clipped, every champion
is shielded, and evidence counts from the commitment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sn37.domain.ids import Block, EntryKey
from sn37.domain.round.comparing import Contestant
from sn37.domain.round.evidence import LOG_LEVEL, Pooled, common, exact_sum, log_e_value, pooled
from sn37.domain.round.signers import Origins
from sn37.domain.round.winner import Comparison, Crown, Decision, Hurdle
from sn37.domain.schedule.epsilon import Epsilon


@dataclass(frozen=True, slots=True)
class FirstRule:
    """Rule: in order of precedence, each challenger that beats the champion replaces it at once."""

    def decide(
        self,
        *,
        crown: Crown,
        contestants: Sequence[Contestant],
        at: Block,
        epsilon: Epsilon,
        origins: Origins,
    ) -> Decision:
        queue = sorted(contestants, key=lambda c: c.precedence)
        finite = [c for c in queue if c.is_finite]
        present = [c for c in finite if c.is_present]
        if not present:
            return Decision(champion=None)
        champion = next((c for c in present if c.key == crown.holder), present[0])
        incumbent = champion
        comparisons = []
        for challenger in queue:
            if challenger is incumbent or not challenger.is_present:
                continue
            earlier = [c for c in finite if c.precedence < challenger.precedence]
            comparison = _compare(champion, challenger, earlier, at=at, epsilon=epsilon)
            comparisons.append(comparison)
            if comparison.taken:
                champion = challenger
        return Decision(champion=champion.key, comparisons=tuple(comparisons), is_shielded=True)


def _beats(sums: Pooled, epsilon: float) -> Hurdle | None:
    if not sums.num_samples:
        return Hurdle.UNPAIRED
    if not sums.clears(epsilon):
        return Hurdle.MARGIN
    return Hurdle.EVIDENCE if log_e_value(sums) < LOG_LEVEL else None


def _compare(
    champion: Contestant,
    challenger: Contestant,
    earlier: Sequence[Contestant],
    *,
    at: Block,
    epsilon: Epsilon,
) -> Comparison:
    margin = epsilon.at(committed=champion.key.block, now=at)
    sums = pooled(champion.evidence, challenger.evidence, since=challenger.key.block)
    hurdle = _beats(sums, margin) if challenger.is_finite else Hurdle.NON_FINITE
    rival = None
    if hurdle is None:
        rival = _waits_for(champion, challenger, earlier, margin=margin, end=epsilon.end)
        hurdle = Hurdle.WAITING if rival else None
    return Comparison(
        challenger=challenger.key,
        champion=champion.key,
        num_samples=sums.num_samples,
        ratio=sums.ratio,
        log_e=log_e_value(sums),
        epsilon=margin,
        hurdle=hurdle,
        waits_for=rival,
    )


def _waits_for(
    champion: Contestant,
    challenger: Contestant,
    earlier: Sequence[Contestant],
    *,
    margin: float,
    end: float,
) -> EntryKey | None:
    for rival in earlier:
        if rival.key == champion.key:
            continue
        a, e, b = _totals((champion, rival, challenger), since=challenger.key.block)
        if e < a * (1 - margin) and not b < e * (1 - end):
            return rival.key
    return None


def _totals(contestants: Sequence[Contestant], *, since: Block) -> tuple[float, ...]:
    shared = list(common([c.evidence for c in contestants], since=since))
    return tuple(
        exact_sum(v for values in shared for v in values[i]) for i in range(len(contestants))
    )
