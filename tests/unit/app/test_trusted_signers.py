"""Whose rows a live source is asked for: permits and stake of one block, on the source's subnet."""

from __future__ import annotations

from sn37.app.samples.pool_requests import pool_request
from sn37.domain.ids import Block
from sn37.domain.schedule.competition import Freshness
from sn37.testing.builders import a_competition, a_neuron, a_schedule, a_source
from sn37.testing.fakes import FakeChain

TIMING = a_schedule().timing
SYNC = TIMING.next_sync_block(Block(5000))
LEAD = SYNC - TIMING.freeze_lead
SN18 = 18
SOURCE = a_source(
    "sn18",
    freshness=Freshness.LIVE,
    signers_netuid=SN18,
    min_stake_tao=100_000,
)


async def trusted(chain: FakeChain) -> set[str]:
    request = await pool_request(
        chain, sync_block=SYNC, rules=a_competition(), source=SOURCE, timing=TIMING
    )
    assert request.trusted is not None
    return set(request.trusted)


def at(number: int) -> FakeChain:
    chain = FakeChain()
    chain.advance(number - 1000)
    return chain


async def test_a_signer_with_exactly_100_000_stake_is_not_trusted() -> None:
    chain = at(SYNC)
    chain.set_members(
        a_neuron("rich", uid=0, stake_tao=100_000.000000001, validator_permit=True),
        a_neuron("edge", uid=1, stake_tao=100_000, validator_permit=True),
        a_neuron("no permit", uid=2, stake_tao=200_000),
        netuid=SN18,
    )
    chain.set_members(a_neuron("elsewhere", uid=0, stake_tao=900_000, validator_permit=True))
    assert await trusted(chain) == {"rich"}


async def test_stake_and_permit_are_those_of_the_block_at_which_reading_begins() -> None:
    chain = at(SYNC)
    early = a_neuron("early", uid=0, stake_tao=200_000, validator_permit=True)
    in_time = a_neuron("in time", uid=1, stake_tao=200_000, validator_permit=True)
    late = a_neuron("late", uid=2, stake_tao=200_000, validator_permit=True)
    chain.set_members(early, netuid=SN18, since=LEAD - 10)
    chain.set_members(early, in_time, netuid=SN18, since=LEAD)
    chain.set_members(in_time, late, netuid=SN18, since=LEAD + 1)
    assert await trusted(chain) == {"early", "in time"}
