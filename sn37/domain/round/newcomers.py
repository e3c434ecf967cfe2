"""Time and order of a round's newcomers, and of other entries in their places."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sn37.domain.ids import BLOCK_SECONDS, Block, EntryKey, Hotkey, RoundKey
from sn37.domain.round.state import History
from sn37.domain.schedule.schedule import RoundTiming
from sn37.domain.submission.submission import Submission

# Half of the time between two rounds: 36 minutes at a cadence of 360 blocks. The other half is
# for the champion, the contenders, late files and the next freeze.
NEWCOMERS_SHARE = 0.5
# Number of newest rounds, of all competitions together, whose times are kept: enough for open ones.
TIMED_ROUNDS = 64
# Once in so many rounds of a competition, a newcomer that failed by our worker's fault comes first.
# So a crowd of these takes one turn in four rounds, and each of a hundred has one in 400.
UNLUCKY_ROUNDS = 4

_NO_FAILURES: Mapping[EntryKey, Block] = MappingProxyType({})


def newcomers_s(timing: RoundTiming) -> float:
    """Return the wall-clock seconds for scoring entries that are neither champion nor contender.

    These are newcomers and entries in places that they leave free, in all rounds of one sync block
    together. An entry for which no time is left waits for the next round. So a slow machine scores
    fewer of them, and none differently.
    """
    return NEWCOMERS_SHARE * timing.cadence * BLOCK_SECONDS


def newest_times(taken: Mapping[RoundKey, float]) -> dict[RoundKey, float]:
    """Return the times of the newest ``TIMED_ROUNDS`` rounds, the oldest first."""
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
    """Return the seconds left to one round, out of ``newcomers_s`` of its sync block.

    Other competitions cannot take a round's equal part of the whole, so it always begins at least
    one entry. An entry that has begun is scored to its end: all rounds of a sync block together
    take at most ``newcomers_s`` and the longest entry of each competition.

    Args:
        spent_s: Seconds taken by all rounds at this sync block, this one included.
        own_s: Seconds taken by this round.
        num_rounds: Unfinished rounds of this sync block, this one included. Each has an equal part
            of the time that the finished ones left over.
        num_competitions: Competitions with a round at this sync block, finished or not.
    """
    whole_s, others_s = newcomers_s(timing), spent_s - own_s
    return max((whole_s - others_s) / num_rounds, whole_s / num_competitions) - own_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Candidates for the places of newcomers, in the order in which groups are served."""

    postponed: tuple[Submission, ...]  # had a place in the round before, but no time
    others: tuple[Submission, ...]
    unlucky: tuple[Submission, ...]  # their last try failed by our worker's fault
    hung: tuple[Submission, ...]  # their hotkey's last entry timed out

    @property
    def in_order(self) -> tuple[Submission, ...]:
        return (*self.postponed, *self.others, *self.unlucky, *self.hung)


def turns_of(
    candidates: Sequence[Submission],
    *,
    postponed: Collection[EntryKey],
    hung: Collection[Hotkey],
    unlucky: Mapping[EntryKey, Block] = _NO_FAILURES,
) -> Turns:
    """Sort candidates into groups; within each the order of ``candidates`` stays.

    Unlucky ones are ordered by their failure, the oldest first. A failure of our device or worker
    uses up no challenge, so an entry may fail in this way without end. Behind the others it takes
    none of their places, whatever caused the failure.

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
    """Return the order in which the entries that share the newcomers' time are scored.

    One entry that was scored before and one newcomer come first. Then come the other newcomers, the
    other entries that were scored before, the unlucky ones, and last those whose hotkey hung. So a
    crowd of slow entries that were scored before takes one turn from newcomers, and a crowd of slow
    newcomers leaves one turn to an entry that others wait for. The first of the two alternates, so
    both have turns even if the time is over after one.

    Among entries that were scored before, the one comes first whose last turn is longest ago,
    failures of our worker included. In every fourth round (``UNLUCKY_ROUNDS``) the unlucky newcomer
    whose failure is longest ago comes before all: none waits for ever, and a crowd of them takes
    one turn.

    Args:
        newcomers: Never scored since their clock began, by precedence.
        again: Scored before, neither champion nor contender, by precedence.
        history: Of earlier rounds.
        hung: See ``turns_of``.
    """
    by_rest = sorted(again, key=lambda s: history.last_turn(s.commitment.key))
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
