"""What ``sn37 data`` asks of the chain is what a validator asks before a round."""

from __future__ import annotations

import pytest

from sn37.app.data_tools.requests import Target, request_at, round_seed
from sn37.app.errors import CommandError
from sn37.domain.data.sampling import seed_of
from sn37.domain.ids import Block, Hotkey, TaskName
from sn37.domain.schedule.competition import Freshness
from sn37.testing.builders import (
    a_block_ref,
    a_competition,
    a_neuron,
    a_schedule,
    a_source,
    a_stage,
    a_task,
    time_of,
)
from sn37.testing.fakes import FakeChain

SOURCE = a_source(
    "feed", freshness=Freshness.LIVE, max_age_s=3600, signers_netuid=18, min_stake_tao=100
)
TASK = a_task("questions", source=SOURCE)
RULES = a_competition(tasks=(TASK,), delay_blocks=400)
SCHEDULE = a_schedule(a_stage(RULES))
TARGET = Target(source=SOURCE, schedule=SCHEDULE, rules=RULES, task=TASK)


def chain_with_signers() -> FakeChain:
    chain = FakeChain(number=Block(1_000))
    rich = a_neuron("rich", uid=0, stake_tao=101, validator_permit=True)
    exactly = a_neuron("exactly", uid=1, stake_tao=100, validator_permit=True)
    newcomer = a_neuron("newcomer", uid=2, stake_tao=101, validator_permit=True)
    chain.set_members(rich, exactly, netuid=18)
    chain.set_members(rich, exactly, newcomer, since=951, netuid=18)
    return chain


async def test_t17_window_and_signers_are_those_of_a_round_at_the_block() -> None:
    chain = chain_with_signers()
    request, counted = await request_at(chain, TARGET, Block(1_000))
    assert request.trusted == frozenset(
        {Hotkey("rich")}
    )  # 50 blocks before, and above 100, not at it
    assert (counted.since, counted.until) == (time_of(700), time_of(925))
    assert request.window.since <= counted.since
    assert request.window.until == counted.until


async def test_the_seed_is_that_of_the_round() -> None:
    assert await round_seed(chain_with_signers(), TARGET, Block(990)) == seed_of(
        netuid=SCHEDULE.netuid,
        competition=RULES.id,
        task=TaskName("questions"),
        block_hash=a_block_ref(990).hash,
    )


@pytest.mark.parametrize(
    ("target", "block", "told"),
    [
        (TARGET, 1_001, "block 1001 does not exist yet; the newest is 1000"),
        (TARGET, 0, "at block 0 no row can count: empty window"),
        (
            Target(source=SOURCE, schedule=SCHEDULE),
            900,
            "no competition uses feed at block 900; give another --block",
        ),
    ],
)
async def test_a_block_at_which_nothing_can_be_asked_is_one_line(
    target: Target, block: int, told: str
) -> None:
    with pytest.raises(CommandError, match=told):
        await request_at(chain_with_signers(), target, Block(block))
