"""Time for the newcomers of a round and for others in their places, and their turns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sn37.domain.ids import BLOCK_SECONDS, Block, EntryKey, Hotkey, RoundKey
from sn37.domain.round.state import History
from sn37.domain.schedule.schedule import RoundTiming
from sn37.domain.submission.submission import Submission

# Half of the time between two rounds: 36 minutes at a cadence of 360 blocks. The other half is
# for the champion and its contenders, for files that are late, and for the next freeze.
NEWCOMERS_SHARE = 0.5
# Rounds, of all competitions together, of which it is remembered: enough for those under way.
TIMED_ROUNDS = 64
# Every so many rounds of a competition, one newcomer that our worker failed comes first. A crowd of
# those takes one turn of every four rounds, and of a hundred of them each has one in 400.
UNLUCKY_ROUNDS = 4

NOBODY: Mapping[EntryKey, Block] = MappingProxyType({})


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


def left_s(
    timing: RoundTiming,
    *,
    spent_s: float,
    own_s: float,
    num_rounds: int,
    num_competitions: int,
) -> float:
    """Seconds left to one round, out of ``newcomers_s`` of its sync block.

    Other competitions cannot take a round's equal part of the whole, so that it always begins at
    least one entry. An entry that has begun is seen through: all rounds of a sync block together
    take at most ``newcomers_s`` and the longest entry of each competition.

    Args:
        spent_s: What was taken of them in rounds at this sync block, this round included.
        own_s: Of that, what was taken in this round.
        num_rounds: Of this sync block that are not finished, this one included; each has an
            equal part of what the finished ones left over.
        num_competitions: Those that have a round at this sync block, finished or not.
    """
    whole_s, others_s = newcomers_s(timing), spent_s - own_s
    return max((whole_s - others_s) / num_rounds, whole_s / num_competitions) - own_s


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
    unlucky: Mapping[EntryKey, Block] = NOBODY,
) -> Turns:
    """Sort candidates into groups; within each the order of ``candidates`` stays.

    A failure of our device or worker uses up no challenge, so an entry may fail so for ever. Behind
    the others it takes no place that they want, no matter what caused the failure. Of those the
    one comes first whose failure is longest ago.

    Args:
        unlucky: The sync block of the failure, by entry.
    """
    late = [s for s in candidates if s.commitment.hotkey in hung]
    in_time = [s for s in candidates if s.commitment.hotkey not in hung]
    prompt = [s for s in in_time if s.commitment.key not in unlucky]
    failed = [s for s in in_time if s.commitment.key in unlucky]
    return Turns(
        postponed=tuple(s for s in prompt if s.commitment.key in postponed),
        others=tuple(s for s in prompt if s.commitment.key not in postponed),
        unlucky=tuple(sorted(failed, key=lambda s: unlucky[s.commitment.key])),
        hung=tuple(late),
    )


def is_round_of_unlucky(history: History) -> bool:
    """True if the next round's first place and first turn are for an unlucky newcomer."""
    return history.num_judged % UNLUCKY_ROUNDS == UNLUCKY_ROUNDS - 1


def in_turn(
    newcomers: Sequence[Submission],
    again: Sequence[Submission],
    *,
    history: History,
    hung: Collection[Hotkey],
) -> tuple[EntryKey, ...]:
    """The order in which those are scored who share the time of newcomers.

    One entry that was scored before and one newcomer come first, then the other newcomers, then the
    others that were scored before, then those that our worker failed, last those whose hotkey hung.
    A crowd of slow ones takes one turn from newcomers, and a crowd of slow newcomers leaves one
    turn to an entry that others wait for. Which of the two is first changes, so that both have
    turns even where the time is over after one.

    Of those scored before the one comes first whose last turn, failures of our worker included, is
    longest ago. In every fourth round (``UNLUCKY_ROUNDS``) the unlucky newcomer whose failure is
    longest ago comes before all: none waits for ever, and a crowd of them takes one turn.

    Args:
        newcomers: Never scored since their clock began, by precedence.
        again: Scored before, neither champion nor contender, by precedence.
        history: Of the rounds before.
        hung: See ``turns_of``.
    """

    def last_turn(submission: Submission) -> int:
        key = submission.commitment.key
        return max(history.last_tried.get(key, 0), history.unlucky.get(key, 0))

    by_rest = sorted(again, key=last_turn)
    known = {s.commitment.key for s in again}
    turns = turns_of(
        (*newcomers, *by_rest),
        postponed=history.postponed - known,
        hung=hung,
        unlucky=history.unlucky,
    )
    first_again = [s for s in by_rest if s.commitment.hotkey not in hung][:1]
    first_new = [s for s in (*turns.postponed, *turns.others) if s.commitment.key not in known][:1]
    if is_round_of_unlucky(history):
        unlucky = [s for s in turns.unlucky if s.commitment.key not in known][:1]
        first = (*unlucky, *first_again, *first_new)
    elif history.num_judged % 2:
        first = (*first_new, *first_again)
    else:
        first = (*first_again, *first_new)
    return tuple(dict.fromkeys(s.commitment.key for s in (*first, *turns.in_order)))
