"""Keep history for as long as the operator wants, and for as long as rules need it."""

from __future__ import annotations

import logging
import math

from sn37.app.errors import CommandError
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.heads import Subscription
from sn37.domain.ids import BLOCK_SECONDS, CompetitionId, RoundKey
from sn37.domain.records.history_pruning import forget_before, remembered
from sn37.domain.schedule.schedule import WINDOW_ROUNDS, Schedule
from sn37.domain.submission.eligibility import CHALLENGE_BLOCKS
from sn37.ports.clock import Clock

log = logging.getLogger(__name__)

BLOCKS_PER_DAY = 86_400 // BLOCK_SECONDS
ROUNDS_PER_HEAD = 10  # a long history is shortened within hours, and no step waits for long


def require_enough_history(days: int, schedule: Schedule) -> None:
    """Make sure that rounds are kept whole for as long as the rules look back.

    Raises:
        CommandError: They are not; says how long is enough.
    """
    needed_blocks = max(WINDOW_ROUNDS * schedule.timing.cadence, CHALLENGE_BLOCKS)
    needed = math.ceil(needed_blocks / BLOCKS_PER_DAY)
    if days < needed:
        raise CommandError(
            f"--keep-history {days}: standings rest on the last {WINDOW_ROUNDS} rounds; give at "
            f"least {needed} days"
        )


class Forgetter:
    """Removes, after each round, what has become too old, oldest first.

    Whatever is removed, every later round ends as it would have ended: see
    ``domain.forgetting``. A kill in between leaves some of it for the next start.
    """

    def __init__(
        self,
        *,
        keeper: StateKeeper,
        heads: Subscription,
        clock: Clock,
        keep_days: int,
    ) -> None:
        self._keeper = keeper
        self._heads = heads
        self._clock = clock
        self._keep_blocks = keep_days * BLOCKS_PER_DAY
        # The newest round after which nothing was left to remove: what to keep follows from it.
        self._done: dict[CompetitionId, RoundKey] = {}

    async def run(self) -> None:
        async for _ in self._heads:
            for competition in tuple(self._keeper.state.rounds):
                await self._forget(competition)

    async def _forget(self, competition: CompetitionId) -> None:
        state = self._keeper.state
        newest = state.rounds[competition][-1].key
        if self._done.get(competition) == newest:
            return
        before = forget_before(state, competition, keep_blocks=self._keep_blocks)
        if before is not None:
            keep = remembered(state, competition, before)
            for _ in range(ROUNDS_PER_HEAD):
                now = self._clock.now()
                found = await self._keeper.forget(competition, before=before, keep=keep, at=now)
                if found is None:
                    break
                log.info("competition %s: history of round %s removed", competition, found)
            else:
                return  # there is more; go on at the next head
        self._done[competition] = newest
