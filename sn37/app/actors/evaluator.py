"""Actor that scores open rounds, the oldest first, once their models are on disk."""

from __future__ import annotations

from sn37.app.actors.spare_time import SpareTime
from sn37.app.rounds.runner import RoundRunner
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.heads import Subscription
from sn37.domain.ids import Block
from sn37.domain.round.state import OpenRound
from sn37.domain.schedule.schedule import Schedule


class Evaluator:
    """Actor that runs one round at a time, while others follow the chain.

    All other work on the device gives way to it.
    """

    def __init__(
        self,
        *,
        keeper: StateKeeper,
        runner: RoundRunner,
        spare: SpareTime,
        heads: Subscription,
        schedule: Schedule,
    ) -> None:
        self._keeper = keeper
        self._runner = runner
        self._spare = spare
        self._heads = heads
        self._grace = schedule.timing.files_grace

    async def run(self) -> None:
        async for head in self._heads:
            for opened in self._ready(head.number):
                async with self._spare.withheld():
                    await self._runner.run(opened.plan)

    def _ready(self, block: Block) -> tuple[OpenRound, ...]:
        """Return the rounds whose models are on disk or whose grace time is over."""
        rounds = sorted(
            self._keeper.state.open_rounds.values(),
            key=lambda r: (r.plan.key.sync_block, r.plan.key.competition),
        )
        return tuple(
            r
            for r in rounds
            if block >= r.plan.key.sync_block + self._grace
            or (block > r.plan.key.sync_block and not self._is_waiting(r))
        )

    def _is_waiting(self, opened: OpenRound) -> bool:
        known = self._keeper.state.submissions
        return any(
            known[key].artifact is None and known[key].rejection is None
            for key in opened.plan.entries
        )
