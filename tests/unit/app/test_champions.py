"""Who holds a crown, by a validator's record or by the incentives."""

from __future__ import annotations

from dataclasses import replace

from sn37.app.mining.champions import champions
from sn37.domain.ids import CompetitionId
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ValidatorState
from sn37.testing.builders import (
    a_commitment,
    a_competition,
    a_neuron,
    a_round_key,
    a_round_result,
    a_schedule,
    a_stage,
    a_submission,
)
from sn37.testing.fakes import FakeChain

ONE = CompetitionId(1)
SCHEDULE = a_schedule(a_stage(a_competition(1)))


def a_chain(**incentives: float) -> FakeChain:
    chain = FakeChain()
    chain.add(*(a_commitment(hotkey, competition=1) for hotkey in incentives))
    chain.set_members(
        *(
            replace(a_neuron(hotkey, uid=uid), incentive=incentive)
            for uid, (hotkey, incentive) in enumerate(incentives.items())
        )
    )
    return chain


async def test_without_a_validator_it_is_the_one_with_the_highest_incentive() -> None:
    found = await champions(a_chain(alice=0.1, bob=0.6), SCHEDULE, None)
    assert found[ONE].commitment.hotkey == "bob"
    assert found[ONE].known_from == "the highest incentive at block 1000"
    assert found[ONE].crown == (a_round_key(1, 1000), found[ONE].commitment.key)


async def test_where_nobody_has_incentive_there_is_none() -> None:
    assert await champions(a_chain(alice=0.0), SCHEDULE, None) == {}


async def test_a_validator_s_record_is_believed_before_the_incentives() -> None:
    crowned = a_submission(a_commitment("alice"))
    key = a_round_key(1, 720)
    rounds = (
        replace(a_round_result(key), champion=crowned.commitment.key),
        replace(a_round_result(a_round_key(1, 1080)), champion=None, skipped=Reason.DISK),
    )
    state = ValidatorState(submissions={crowned.commitment.key: crowned}, rounds={ONE: rounds})
    found = await champions(a_chain(alice=0.1, bob=0.6), SCHEDULE, state)
    assert found[ONE].commitment.hotkey == "alice"
    assert found[ONE].round == key


async def test_a_round_without_a_champion_has_none() -> None:
    state = ValidatorState(
        rounds={ONE: (replace(a_round_result(a_round_key(1, 720)), champion=None),)}
    )
    assert await champions(a_chain(bob=0.6), SCHEDULE, state) == {}
