"""Check that the chain is the one of the recorded state, and has reached its newest round."""

from __future__ import annotations

from sn37.app.errors import CommandError
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.events import Cautioned
from sn37.domain.ids import Block
from sn37.domain.round.state import ValidatorState
from sn37.ports.chain import Chain
from sn37.ports.telemetry import EventSink

LOST_BLOCKS = 50  # newest blocks that a simulated chain may lose by a power failure


def newest_round(state: ValidatorState) -> Block | None:
    """Return the sync block of the newest round that was opened or sat out."""
    finished = (rounds[-1].key.sync_block for rounds in state.rounds.values() if rounds)
    opened = (key.sync_block for key in state.open_rounds)
    return max((*finished, *opened), default=None)


class Continuity:
    """Check that runs once, before any actor. From an older head, rounds would open again.

    A real chain reaches the block again, because only an endpoint lags. A simulated chain is in a
    file; if it is far behind, it is another chain.

    Args:
        makes_blocks: The chain is simulated and makes blocks on request.
        state: Name of the state for operators.
    """

    def __init__(
        self, *, chain: Chain, keeper: StateKeeper, sink: EventSink, makes_blocks: bool, state: str
    ) -> None:
        self._chain = chain
        self._keeper = keeper
        self._sink = sink
        self._makes_blocks = makes_blocks
        self._state = state

    async def run(self) -> None:
        """Return once the chain has reached the newest round.

        Raises:
            CommandError: It is another simulated chain.
            ChainUnavailable: Try again.
        """
        newest = newest_round(self._keeper.state)
        if newest is None:
            return
        head = (await self._chain.head()).number
        if head >= newest:
            return
        if self._makes_blocks and head < newest - LOST_BLOCKS:
            raise CommandError(
                f"simnet's chain in {self._state} ends at block {head}, but the state beside it "
                f"has a round of block {newest}: it is another chain; restore the file of the old "
                "chain, or remove the folder to start again"
            )
        self._sink.emit(
            Cautioned(
                what="chain",
                advice=f"its newest block is {head}, but {self._state} has a round of block "
                f"{newest}: waiting until the chain reaches it; if it makes no progress, check "
                "that --network and --state-dir belong together",
            )
        )
        async for block in self._chain.blocks():
            if block.number >= newest:
                return
