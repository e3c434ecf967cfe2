"""Actor that removes history once neither the operator nor the rules need it."""

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
ROUNDS_PER_HEAD = 10  # prunes a long history within hours, without delaying other steps


def require_enough_history(days: int, schedule: Schedule) -> None:
    """Check that rounds are kept completely for as long as the rules look back.

    Raises:
        CommandError: They are not; the message says how many days are enough.
    """
    needed_blocks = max(WINDOW_ROUNDS * schedule.timing.cadence, CHALLENGE_BLOCKS)
    needed = math.ceil(needed_blocks / BLOCKS_PER_DAY)
    if days < needed:
        raise CommandError(
            f"--keep-history {days}: standings need the last {WINDOW_ROUNDS} rounds; give at "
            f"least {needed} days"
        )


class Pruner:
    """Actor that removes old history after each round, the oldest first.

    No later round depends on the removed records, see ``domain.records.history_pruning``. After
    a kill the next start removes the rest.
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
        # The newest round at which nothing was left to remove; it decides what to keep.
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
                return  # continue at the next head
        self._done[competition] = newest
