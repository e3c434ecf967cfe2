"""Time for the newcomers of a round and for others in their places, and their turns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sn37.domain.ids import BLOCK_SECONDS, EntryKey, Hotkey, RoundKey
from sn37.domain.round.state import History
from sn37.domain.schedule.schedule import RoundTiming
from sn37.domain.submission.submission import Submission

# Half of the time between two rounds: 36 minutes at a cadence of 360 blocks. The other half is
# for the champion and its contenders, for files that are late, and for the next freeze.
NEWCOMERS_SHARE = 0.5
# Rounds, of all competitions together, of which it is remembered: enough for those under way.
TIMED_ROUNDS = 64


def newcomers_s(timing: RoundTiming) -> float:
    """Seconds by the clock in which models are scored that are neither champion nor contender.

    Newcomers, and entries in places that they leave free, in all rounds of one sync block
    together. Who does not fit waits for the next round, so that a slow machine scores fewer of
    them, and none differently.
    """
    return NEWCOMERS_SHARE * timing.cadence * BLOCK_SECONDS


def newest_times(taken: Mapping[RoundKey, float]) -> dict[RoundKey, float]:
    """Those of the newest ``TIMED_ROUNDS`` rounds, the oldest first."""
    order = sorted(taken, key=lambda key: (key.sync_block, key.competition))
    return {key: taken[key] for key in order[-TIMED_ROUNDS:]}


def left_s(timing: RoundTiming, *, spent_s: float, own_s: float, num_rounds: int) -> float:
    """Seconds left to one round, out of ``newcomers_s`` of its sync block.

    Args:
        spent_s: What was taken of them in rounds at this sync block, this round included.
        own_s: Of that, what was taken in this round.
        num_rounds: Of this sync block that are not finished, this one included; each has an
            equal part of what the finished ones left over.
    """
    others_s = spent_s - own_s
    return (newcomers_s(timing) - others_s) / num_rounds - own_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Candidates for the places of newcomers, in the order in which groups are served."""

    postponed: tuple[Submission, ...]  # had a place in the round before, and no time was left
    others: tuple[Submission, ...]
    unlucky: tuple[Submission, ...]  # whose last try our worker failed in
    hung: tuple[Submission, ...]  # of hotkeys whose last entry ran out of its time

    @property
    def in_order(self) -> tuple[Submission, ...]:
        return (*self.postponed, *self.others, *self.unlucky, *self.hung)


def turns_of(
    candidates: Sequence[Submission],
    *,
    postponed: Collection[EntryKey],
    hung: Collection[Hotkey],
    unlucky: Collection[EntryKey] = (),
) -> Turns:
    """Sort candidates into groups; within each the order of ``candidates`` stays.

    A failure of our device or worker uses up no challenge, so an entry may fail so for ever. Behind
    the others it takes no place that they want, no matter what caused the failure.
    """
    late = [s for s in candidates if s.commitment.hotkey in hung]
    in_time = [s for s in candidates if s.commitment.hotkey not in hung]
    prompt = [s for s in in_time if s.commitment.key not in unlucky]
    return Turns(
        postponed=tuple(s for s in prompt if s.commitment.key in postponed),
        others=tuple(s for s in prompt if s.commitment.key not in postponed),
        unlucky=tuple(s for s in in_time if s.commitment.key in unlucky),
        hung=tuple(late),
    )


def in_turn(
    newcomers: Sequence[Submission],
    again: Sequence[Submission],
    *,
    history: History,
    hung: Collection[Hotkey],
) -> tuple[EntryKey, ...]:
    """The order in which those are scored who share the time of newcomers.

    One entry that was scored before comes first, then the newcomers, then the others that were
    scored before: a crowd of slow ones takes one turn from newcomers, and a crowd of slow newcomers
    leaves one turn to an entry that others wait for. Of those scored before the one comes first
    whose last turn is longest ago, so that each of them has the first turn in time. Whose last
    try our worker failed in, or whose hotkey hung, comes last and never first.

    Args:
        newcomers: Never scored since their clock began, by precedence.
        again: Scored before, neither champion nor contender, by precedence.
        history: Of the rounds before.
        hung: See ``turns_of``.
    """
    by_rest = sorted(again, key=lambda s: history.last_tried.get(s.commitment.key, 0))
    known = {s.commitment.key for s in again}
    turns = turns_of(
        (*newcomers, *by_rest),
        postponed=history.postponed - known,
        hung=hung,
        unlucky=history.unlucky,
    )
    first = [s.commitment.key for s in turns.others if s.commitment.key in known][:1]
    return tuple(dict.fromkeys((*first, *(s.commitment.key for s in turns.in_order))))
