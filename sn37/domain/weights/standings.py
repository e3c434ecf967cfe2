"""Standings: each hotkey's share of a competition over the last rounds, a pure function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from sn37.domain.ids import Block, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import RoundResult
from sn37.domain.schedule.schedule import COLD_ROUNDS, WINDOW_ROUNDS, RoundTiming, StandingsRule

# Exact numbers: pow() differs in its last bit between machines, and validators with the same
# rounds must agree exactly. A round weighs DECAY to the power of its age.
DECAY = Fraction(9, 10)  # a round five rounds old weighs 0.59 of the newest
THRESHOLD = Fraction(18, 100)  # smaller shares are dropped: one lucky round is 0.11


def standings(
    rounds: Sequence[RoundResult],
    *,
    timing: RoundTiming,
    rule: StandingsRule = StandingsRule.WINDOW,
) -> Mapping[Hotkey, float]:
    """Return each hotkey's share of one competition; the shares sum to 1, or there are none.

    Under every rule only the last ``WINDOW_ROUNDS`` sync rounds count, so that validators
    which started at different times agree. Rounds sat out do not count, but see ``paid_share``.
    If no share reaches the threshold, the largest shares stay.

    Raises:
        ValueError: The rounds are of two competitions, or one occurs twice.
    """
    judged = [(r, age) for r, age in _window(rounds, timing) if r.skipped is None]
    weights = _RULES[rule](judged)
    if not weights:
        return {}
    bar = min(THRESHOLD * sum(weights.values()), max(weights.values()))
    kept = {hotkey: weights[hotkey] for hotkey in sorted(weights) if weights[hotkey] >= bar}
    total = sum(kept.values())
    return {hotkey: float(weight / total) for hotkey, weight in kept.items()}


def _weighted_mean(judged: Sequence[tuple[RoundResult, int]]) -> dict[Hotkey, Fraction]:
    """Weigh each round by ``DECAY`` to the power of its age in sync rounds.

    So a gap has the same effect for all validators. A round without a champion has no weight.
    """
    weights: dict[Hotkey, Fraction] = {}
    for round_, age in judged:
        if round_.winner is not None:
            weights[round_.winner] = weights.get(round_.winner, Fraction(0)) + DECAY**age
    return weights


def _moving_average(judged: Sequence[tuple[RoundResult, int]]) -> dict[Hotkey, Fraction]:
    """Average as existing validators do, by uid (docs/protocol.md).

    The first round counts fully. Each further round takes 0.9 of the average so far and 0.1 of
    the round. Ages do not count, and a round without a champion leaves 0.9 of every weight.
    """
    weights: dict[Hotkey, Fraction] = {}
    for number, (round_, _) in enumerate(sorted(judged, key=lambda r: r[0].key.sync_block)):
        weights = {hotkey: weight * DECAY for hotkey, weight in weights.items()}
        if round_.winner is not None:
            share = 1 - DECAY if number else Fraction(1)
            weights[round_.winner] = weights.get(round_.winner, Fraction(0)) + share
    return weights


_RULES = {
    StandingsRule.WINDOW: _weighted_mean,
    StandingsRule.MOVING_AVERAGE: _moving_average,
}


def paid_share(
    rounds: Sequence[RoundResult],
    *,
    timing: RoundTiming,
    rule: StandingsRule = StandingsRule.WINDOW,
    adopted_until: Block | None = None,
) -> float:
    """Return the part of a competition's share that its standings are paid, 0 to 1.

    It is 1 while at most half of the window was sat out, each recorded round weighing ``DECAY``
    to the power of its age, and falls in proportion beyond that. So a champion that hardly defends
    the crown is not paid in full, however others cause that. Rounds without a record, or in
    which this validator did not run, do not count, except between adopted rounds.

    It is always 1 under ``MOVING_AVERAGE``, the exact rule of existing tools, and after a round
    whose plan is of a version that did not count missed defences.

    Args:
        adopted_until: Rounds up to this block, if any, were adopted from another validator. A
            sync round without a record between two of them counts as sat out for missing data.

    Raises:
        ValueError: As ``standings``.
    """
    window = _window(rounds, timing)
    judged = {r.key.sync_block: r for r, _ in window if r.skipped is None}
    if rule is not StandingsRule.WINDOW or (judged and judged[max(judged)].missed_defences is None):
        return 1.0
    known = sum((DECAY**age for r, age in window if r.skipped is None), Fraction(0))
    sat_out = (age for r, age in window if _was_sat_out(r))
    ages = (*sat_out, *_ages_not_offered(rounds, timing, adopted_until))
    missing = sum((DECAY**age for age in ages), Fraction(0))
    return float(min(Fraction(1), 2 * known / (known + missing))) if known + missing else 1.0


def warm_up_left(
    rounds: Sequence[RoundResult],
    *,
    timing: RoundTiming,
    warmup_rounds: int,
    is_cold: bool = False,
    num_before: int = 0,
) -> int:
    """Return how many more rounds must be judged before weights are set from them.

    Until then the weights on chain stay. A validator that was away for longer than the window
    warms up again. Rounds sat out are not a lack of experience: a validator with a record of
    ``COLD_ROUNDS`` rounds of the window, most of them sat out, does not warm up. Otherwise anyone
    could keep old weights on chain, for example by withholding rows. Its competition is not paid
    in full then, see ``paid_share``, and may have no standings at all. A cold validator still
    lacks experience then, unless it judged no round of the window and so pays nobody.

    Args:
        is_cold: It started without the others' evidence, in a competition that was running.
        num_before: Number of judged rounds before ``rounds``, all older than the window.

    Raises:
        ValueError: As ``standings``.
    """
    window = [round_ for round_, _ in _window(rounds, timing)]
    num_known = sum(r.skipped is None for r in window)
    num_missing = sum(map(_was_sat_out, window))
    was_idle = num_missing > num_known and num_known + num_missing >= COLD_ROUNDS
    left = 0 if was_idle else warmup_rounds - num_known
    if is_cold and (num_known or not was_idle):
        left = max(left, COLD_ROUNDS - num_before - sum(r.skipped is None for r in rounds))
    return max(left, 0)


def has_seen_a_window(rounds: Sequence[RoundResult], *, timing: RoundTiming) -> bool:
    """True if a validator ran in at least ``COLD_ROUNDS`` rounds of a competition's window.

    Raises:
        ValueError: As ``standings``.
    """
    ran = [r for r, _ in _window(rounds, timing) if r.skipped is not Reason.ABSENT]
    return len(ran) >= COLD_ROUNDS


def _ages_not_offered(
    rounds: Sequence[RoundResult], timing: RoundTiming, adopted_until: Block | None
) -> Sequence[int]:
    """Return the ages of sync rounds in the window without a record between adopted rounds."""
    blocks = {r.key.sync_block for r in rounds}
    judged = [r.key.sync_block for r in rounds if r.skipped is None]
    adopted = [b for b in judged if adopted_until is not None and b <= adopted_until]
    if not adopted:
        return ()
    between = set(range(min(adopted), max(adopted), timing.cadence)) - blocks
    ages = ((max(blocks) - block) // timing.cadence for block in sorted(between))
    return [age for age in ages if age < WINDOW_ROUNDS]


def _was_sat_out(round_: RoundResult) -> bool:
    """True if a running validator judged nothing: others can cause each reason of that."""
    return round_.skipped not in (None, Reason.ABSENT)


def _window(
    rounds: Sequence[RoundResult], timing: RoundTiming
) -> tuple[tuple[RoundResult, int], ...]:
    """Return the rounds that are young enough to count, with their age in sync rounds."""
    keys = {r.key for r in rounds}
    if len(keys) != len(rounds) or len({k.competition for k in keys}) > 1:
        raise ValueError("standings need distinct rounds of one competition")
    newest = max((k.sync_block for k in keys), default=0)
    aged = ((r, (newest - r.key.sync_block) // timing.cadence) for r in rounds)
    return tuple((r, age) for r, age in aged if age < WINDOW_ROUNDS)
