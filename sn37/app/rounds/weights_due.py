"""Weights that follow from recorded rounds, and the warm-up before the first ones."""

from __future__ import annotations

from collections.abc import Mapping

from sn37.domain.ids import Block, CompetitionId, Hotkey
from sn37.domain.round.state import NO_HISTORY, ColdStart, ValidatorState
from sn37.domain.schedule.schedule import WINDOW_ROUNDS, Schedule
from sn37.domain.weight_vector import WeightVector
from sn37.domain.weights.emission import split_emission
from sn37.domain.weights.standings import (
    has_seen_a_window,
    paid_share,
    standings,
    warm_up_left,
)

# Ways to start without the pools of others. Rounds that were scored again count like rounds that
# were judged when they were new, because they are equally good evidence.
COLD_WAYS = frozenset({ColdStart.MANIFESTS, ColdStart.NOTHING})


def warm_up(state: ValidatorState, schedule: Schedule, block: Block) -> Mapping[CompetitionId, int]:
    """Return the competitions that hold up the weights, with the number of rounds to be judged.

    These warm up, for at most a window: then they give their share away, if this validator judges
    another competition and has seen a window of it. Otherwise an attacker that keeps one
    competition from being judged would keep the old weights of all on chain.
    """
    since = Block(block - WINDOW_ROUNDS * schedule.timing.cadence)
    warming = _warming(state, schedule, block)
    has_seen_a_window_of_another = any(
        has_seen_a_window(state.rounds.get(c.id, ()), timing=schedule.timing)
        for c in schedule.at(block)
        if c.reward_share > 0 and c.id not in warming
    )
    return {
        competition: rounds
        for competition, rounds in warming.items()
        if not has_seen_a_window_of_another or schedule.competition(competition, since) is None
    }


def _warming(
    state: ValidatorState, schedule: Schedule, block: Block
) -> Mapping[CompetitionId, int]:
    """Return the competitions that warm up, with the number of rounds still to be judged.

    A competition that started after the validator did needs no cold start. One without a share of
    the emission needs no warm-up.
    """
    beginning = state.beginning
    cold_since = beginning.block if beginning is not None and beginning.way in COLD_WAYS else None
    left = {
        c.id: warm_up_left(
            state.rounds.get(c.id, ()),
            timing=schedule.timing,
            warmup_rounds=schedule.warmup_rounds,
            is_cold=cold_since is not None and schedule.competition(c.id, cold_since) is not None,
            num_before=state.past.get(c.id, NO_HISTORY).num_judged,
        )
        for c in schedule.at(block)
        if c.reward_share > 0
    }
    return {competition: rounds for competition, rounds in left.items() if rounds}


def weights_after(
    state: ValidatorState,
    schedule: Schedule,
    block: Block,
    *,
    before: WeightVector | None = None,
) -> WeightVector | None:
    """Return the weights that follow from the recorded rounds, or ``None`` during the warm-up.

    While a validator knows too few rounds, the weights that are already on chain are better.

    Args:
        before: The weights that were sent last. They are sent again when nobody can be paid, see
            ``pays_nobody``, because a validator that sets no weights loses its place.
    """
    if warm_up(state, schedule, block):
        return None
    placed = _placed(state, schedule, block)
    if schedule.burn is None and not any(placed.values()):
        return before
    shares = {c.id: c.reward_share for c in schedule.at(block)}
    paid = {c: paid_part(state, schedule, c) for c in shares}
    return split_emission(shares, placed, paid=paid, burn=schedule.burn)


def paid_part(state: ValidatorState, schedule: Schedule, competition: CompetitionId) -> float:
    """Return the part of a competition's share that its standings are paid, see ``paid_share``."""
    beginning = state.beginning
    has_adopted = beginning is not None and beginning.way is ColdStart.RECEIPTS
    return paid_share(
        state.rounds.get(competition, ()),
        timing=schedule.timing,
        rule=schedule.standings,
        adopted_until=beginning.block if beginning and has_adopted else None,
    )


def pays_nobody(state: ValidatorState, schedule: Schedule, block: Block) -> bool:
    """True if no competition has standings and the schedule has no burn hotkey."""
    return schedule.burn is None and not any(_placed(state, schedule, block).values())


def _placed(
    state: ValidatorState, schedule: Schedule, block: Block
) -> Mapping[CompetitionId, Mapping[Hotkey, float]]:
    """Return the standings of each competition, none of those that warm up."""
    warming = _warming(state, schedule, block)
    return {
        c.id: {}
        if c.id in warming
        else standings(state.rounds.get(c.id, ()), timing=schedule.timing, rule=schedule.standings)
        for c in schedule.at(block)
    }
