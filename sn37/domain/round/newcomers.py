"""Time for the newcomers of a round, and their turns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sn37.domain.ids import BLOCK_SECONDS, EntryKey, Hotkey, RoundKey
from sn37.domain.schedule.schedule import RoundTiming
from sn37.domain.submission.submission import Submission

# Half of the time between two rounds: 36 minutes at a cadence of 360 blocks. The other half is
# for those that were scored before, for files that are late, and for the next freeze.
NEWCOMERS_SHARE = 0.5
# Rounds, of all competitions together, of which it is remembered: enough for those under way.
TIMED_ROUNDS = 64


def newcomers_s(timing: RoundTiming) -> float:
    """Seconds by the clock in which models that were never scored are scored.

    In all rounds of one sync block together. Who does not fit waits for the next round, so that
    a slow machine scores fewer newcomers, and none of them differently.
    """
    return NEWCOMERS_SHARE * timing.cadence * BLOCK_SECONDS


def newest_times(taken: Mapping[RoundKey, float]) -> dict[RoundKey, float]:
    """Those of the newest ``TIMED_ROUNDS`` rounds, the oldest first."""
    order = sorted(taken, key=lambda key: (key.sync_block, key.competition))
    return {key: taken[key] for key in order[-TIMED_ROUNDS:]}


def left_s(timing: RoundTiming, *, spent_s: float, own_s: float, num_rounds: int) -> float:
    """Seconds left to the newcomers of one round, out of those of its sync block.

    Args:
        spent_s: What newcomers of rounds at this sync block have taken, this round's included.
        own_s: Of that, what this round's have taken.
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
    the others it takes no place that they want, whoever brought the failure about.
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
