"""A state and the chain that it goes on with."""

from __future__ import annotations

import asyncio

import pytest

from sn37.app.actors.chain_continuity import LOST_BLOCKS, Continuity
from sn37.app.errors import CommandError
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.events import Cautioned
from sn37.domain.ids import Block
from sn37.domain.reasons import Reason
from sn37.testing.builders import a_round_key, a_round_plan, a_round_result
from sn37.testing.fakes import FakeChain, FakeStateStore, RecordingSink

NEWEST = 2_160  # of the rounds in the state


class Start:
    """A validator with two rounds, at its start."""

    def __init__(
        self, head: int, *, simnet: bool, is_open: bool = False, is_new: bool = False
    ) -> None:
        self.chain = FakeChain(number=Block(head), waits=False)
        self.sink = RecordingSink()
        self.store = FakeStateStore()
        self.simnet = simnet
        self.is_open = is_open
        self.is_new = is_new

    async def run(self) -> None:
        keeper = StateKeeper(self.store)
        await keeper.load()
        if not self.is_new:
            await keeper.finish_round(
                a_round_result(a_round_key(sync_block=1_800), skipped=Reason.OVERRUN)
            )
            newest = a_round_key(sync_block=NEWEST)
            if self.is_open:
                await keeper.open_round(a_round_plan(newest))
            else:
                await keeper.finish_round(a_round_result(newest, skipped=Reason.OVERRUN))
        continuity = Continuity(
            chain=self.chain,
            keeper=keeper,
            sink=self.sink,
            makes_blocks=self.simnet,
            state="state",
        )
        await continuity.run()

    @property
    def cautions(self) -> list[str]:
        return [event.advice for event in self.sink.events if isinstance(event, Cautioned)]


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("head", [1_740, NEWEST - LOST_BLOCKS - 1])
def test_another_simulated_chain_is_refused(head: int, is_open: bool) -> None:
    start = Start(head, simnet=True, is_open=is_open)
    with pytest.raises(CommandError) as caught:
        asyncio.run(start.run())
    assert str(caught.value) == (
        f"simnet's chain in state ends at block {head}, but the state beside it has a round of "
        "block 2160: it is another chain; restore the file of the old chain, or remove the folder "
        "to start again"
    )


@pytest.mark.parametrize(
    ("behind", "simnet"), [(1, False), (1_000, False), (1, True), (LOST_BLOCKS, True)]
)
def test_a_chain_that_comes_to_the_block_again_is_waited_for(behind: int, simnet: bool) -> None:
    start = Start(NEWEST - behind, simnet=simnet)

    async def advance() -> None:
        start.chain.waits = True
        waiting = asyncio.create_task(start.run())
        for _ in range(behind):
            await asyncio.sleep(0)
            assert not waiting.done()
            start.chain.advance()
        await waiting

    asyncio.run(advance())
    (said,) = start.cautions
    assert f"its newest block is {NEWEST - behind}" in said


@pytest.mark.parametrize(("head", "is_new"), [(NEWEST, False), (NEWEST + 9, False), (5, True)])
@pytest.mark.parametrize("simnet", [True, False])
def test_otherwise_nothing_is_said(head: int, is_new: bool, simnet: bool) -> None:
    start = Start(head, simnet=simnet, is_new=is_new)
    asyncio.run(start.run())
    assert start.cautions == []
