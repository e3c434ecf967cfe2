"""What the follower says while the chain does not answer."""

from __future__ import annotations

import pytest

from sn37.app.actors.follower import Follower
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.heads import Heads
from sn37.domain.events import HeadAdvanced, ViewAged
from sn37.ports.errors import ChainUnavailable
from sn37.testing.builders import a_block_ref
from sn37.testing.builders.competitions import a_schedule
from sn37.testing.fakes.chain import FakeChain
from sn37.testing.fakes.clock import FakeClock
from sn37.testing.fakes.state_store import FakeStateStore
from sn37.testing.fakes.telemetry import RecordingSink


@pytest.mark.fault("chain", "down")
async def test_an_outage_tells_the_newest_block_and_its_age_which_grows() -> None:
    chain, clock, sink = FakeChain(waits=False), FakeClock(), RecordingSink()
    follower = Follower(
        chain=chain,
        keeper=StateKeeper(FakeStateStore()),
        heads=Heads(),
        schedule=a_schedule(),
        clock=clock,
        sink=sink,
    )
    chain.failures.append(ChainUnavailable("down"))
    with pytest.raises(ChainUnavailable):
        await follower.run()
    assert not sink.of(ViewAged)  # nothing was seen so far
    await follower.run()
    assert [e.head for e in sink.of(HeadAdvanced)] == [a_block_ref(1000)]
    for age_s in (30.0, 95.0):
        clock.elapsed = age_s
        chain.failures.append(ChainUnavailable("down"))
        with pytest.raises(ChainUnavailable):
            await follower.run()
        assert sink.of(ViewAged)[-1] == ViewAged(head=a_block_ref(1000), age_s=age_s)
