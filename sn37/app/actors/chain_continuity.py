"""A state goes on with the chain that it was recorded from, and not before its newest round."""

from __future__ import annotations

from sn37.app.errors import CommandError
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.events import Cautioned
from sn37.domain.ids import Block
from sn37.domain.round.state import ValidatorState
from sn37.ports.chain import Chain
from sn37.ports.telemetry import EventSink

LOST_BLOCKS = 50  # so many of its newest a simulated chain may lose by a power failure


def newest_round(state: ValidatorState) -> Block | None:
    """The sync block of the newest round that was opened or sat out."""
    finished = (rounds[-1].key.sync_block for rounds in state.rounds.values() if rounds)
    opened = (key.sync_block for key in state.open_rounds)
    return max((*finished, *opened), default=None)


class Continuity:
    """Runs once, before any actor: from an older head on, rounds would be opened anew.

    A real chain comes to the block again, for it is an endpoint that lags. A simulated one is
    in a file, and where that is far behind, it is another chain.

    Args:
        makes_blocks: Of a simulated chain, whose blocks come because they are asked for.
        state: What holds the state and the chain, in what operators read.
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
        """Return once the chain has come as far as the newest round.

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
                f"simnet's chain in {self._state} ends at block {head}, and the state beside it "
                f"holds a round of block {newest}: it is another chain; put the file of the old "
                "one back, or remove the folder to begin anew"
            )
        self._sink.emit(
            Cautioned(
                what="chain",
                advice=f"its newest block is {head}, and {self._state} holds a round of block "
                f"{newest}: waiting until the chain is there; if it does not come nearer, look "
                "whether --network and --state-dir belong together",
            )
        )
        async for block in self._chain.blocks():
            if block.number >= newest:
                return
