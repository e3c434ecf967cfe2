"""Actor that ends a run with ``--rounds``."""

from __future__ import annotations

from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.rounds.weights_due import weights_after
from sn37.app.supervision.heads import Subscription
from sn37.domain.ids import Block
from sn37.domain.round.state import NO_HISTORY, ValidatorState
from sn37.domain.schedule.schedule import Schedule


def is_reached(
    state: ValidatorState, schedule: Schedule, *, rounds: int, block: Block, offline: bool = False
) -> bool:
    """True if every competition has that many scored rounds and their weights are on chain.

    Rounds of earlier runs with the same state count, so an interrupted run can continue. No
    weights are due during the warm-up and offline.
    """
    held = {c.id: state.rounds.get(c.id, ()) for c in schedule.at(block)}
    past = {c: state.past.get(c, NO_HISTORY) for c in held}
    wanted = {c: rounds - past[c].num_judged + past[c].num_unrecorded for c in held}
    if any(len(finished) < wanted[c] for c, finished in held.items()):
        return False  # a shortcut, because this runs at every block
    scored = {
        c: [r.key.sync_block for r in finished if r.skipped is None] for c, finished in held.items()
    }
    if not scored or any(len(blocks) < wanted[c] for c, blocks in scored.items()):
        return False
    if offline:
        return True
    newest = max((b for blocks in scored.values() for b in blocks), default=Block(0))
    sent = any(w.sync_block >= newest and w.extrinsic is not None for w in state.weights)
    return sent or weights_after(state, schedule, block) is None


class Goal:
    """Actor that returns, and so ends the run, once enough rounds are done."""

    def __init__(
        self,
        *,
        rounds: int,
        keeper: StateKeeper,
        heads: Subscription,
        schedule: Schedule,
        offline: bool = False,
    ) -> None:
        self._rounds = rounds
        self._offline = offline
        self._keeper = keeper
        self._heads = heads
        self._schedule = schedule

    async def run(self) -> None:
        async for head in self._heads:
            state = self._keeper.state
            if is_reached(
                state,
                self._schedule,
                rounds=self._rounds,
                block=head.number,
                offline=self._offline,
            ):
                return
