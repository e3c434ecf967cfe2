"""Missed rounds, and the ones that are scored later on another validator's samples."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sn37.domain.ids import Block, CompetitionId, EntryKey, RoundKey
from sn37.domain.metagraph import Metagraph
from sn37.domain.round.state import RoundResult
from sn37.domain.schedule.schedule import COLD_ROUNDS, Schedule
from sn37.domain.submission.eligibility import CHALLENGE_BLOCKS, is_out
from sn37.domain.submission.submission import Submission

# How far back, in sync rounds: a day on finney, as for a cold start by samples.
LOOK_BACK_ROUNDS = COLD_ROUNDS
# Per competition and day of 7,200 blocks. Half of a day's rounds: a validator that misses more has
# no spare time, and the newest rounds have priority.
MAX_A_DAY = 10
DAY_BLOCKS = CHALLENGE_BLOCKS


def missed_rounds(
    rounds: Sequence[RoundResult],
    *,
    competition: CompetitionId,
    schedule: Schedule,
    head: Block,
) -> tuple[RoundKey, ...]:
    """Return the rounds of a competition that may be scored later, the newest first.

    These were sat out, or have no record although the grace time of their files is over. Rounds
    before the validator's first recorded round were not missed.

    Args:
        rounds: The competition's recorded rounds, by sync block.
        head: The newest block.
    """
    timing, known = schedule.timing, {r.key.sync_block: r for r in rounds}
    if not known:
        return ()
    newest, first = timing.sync_block(head), rounds[0].key.sync_block
    oldest = max(newest - LOOK_BACK_ROUNDS * timing.cadence, first)
    return tuple(
        RoundKey(competition, Block(sync))
        for sync in range(newest, oldest - 1, -timing.cadence)
        if schedule.competition(competition, Block(sync)) is not None
        and _is_missed(known.get(Block(sync)), may_come=head < sync + timing.files_grace)
    )


def not_yet_evidence(rounds: Sequence[RoundResult], sync_block: Block) -> frozenset[Block]:
    """Return rounds scored later that are not yet evidence in the round of ``sync_block``."""
    return frozenset(
        r.key.sync_block for r in rounds if r.later is not None and r.later.after >= sync_block
    )


def num_left_today(rounds: Sequence[RoundResult], *, head: Block) -> int:
    """Return how many more rounds of a competition may be scored later within this day."""
    done = sum(r.later is not None and r.later.at > head - DAY_BLOCKS for r in rounds)
    return max(MAX_A_DAY - done, 0)


def old_enough(
    entries: Sequence[EntryKey],
    submissions: Mapping[EntryKey, Submission],
    *,
    sync_block: Block,
    schedule: Schedule,
) -> tuple[EntryKey, ...]:
    """Return the entries that were old enough at a sync block, by their current clocks.

    Losses of other entries in that round are never used.
    """
    found = []
    for key in entries:
        submission = submissions[key]
        rules = schedule.competition(submission.commitment.competition, sync_block)
        if rules is not None and submission.clock_block + rules.delay_blocks <= sync_block:
            found.append(key)
    return tuple(found)


def allowed(
    entries: Collection[EntryKey],
    submissions: Mapping[EntryKey, Submission],
    *,
    sync_block: Block,
    schedule: Schedule,
    metagraph: Metagraph,
) -> tuple[EntryKey, ...]:
    """Return the entries that could take part in the round, by the chain at its sync block."""
    return tuple(
        key
        for key in entries
        if not is_out(
            submissions[key], sync_block=sync_block, schedule=schedule, metagraph=metagraph
        )
    )


def _is_missed(recorded: RoundResult | None, *, may_come: bool) -> bool:
    if recorded is None:
        return not may_come  # it may still be opened
    return recorded.skipped is not None and recorded.later is None
