"""Rounds that a version before the second rule judged: adopted, audited and gone on from."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest

from sn37.domain.ids import Hotkey
from sn37.domain.round.state import ColdStart, ValidatorState
from sn37.domain.schedule.competition import Freshness
from sn37.domain.schedule.normalization import InverseExponential
from sn37.domain.schedule.schedule import Schedule
from sn37.testing.builders import (
    a_competition,
    a_neuron,
    a_schedule,
    a_source,
    a_stage,
    a_task,
)
from sn37.testing.fakes import FakeSigner
from sn37.testing.fakes.state_store import Memory
from tests.support.auditing import audit
from tests.support.fake_world import ONE, World

# Published by that version: four rounds, a crown that passes on in the second, three raced out.
FOLDER = Path(__file__).parents[2] / "data" / "first_rule"
CROWNS = ["first", "better", "better", "better"]


def as_it_was_then() -> Schedule:
    """Two tasks, one of them shown along a curve."""
    live = a_source(freshness=Freshness.LIVE, max_age_s=4_320)
    tasks = (
        a_task(
            "text",
            source=live,
            weight=0.5,
            num_samples=32,
            normalization=InverseExponential(20.0),
        ),
        a_task("more", source=live, weight=0.5, num_samples=32),
    )
    return a_schedule(a_stage(a_competition(tasks=tasks, delay_blocks=360)))


SCHEDULE = as_it_was_then()


def a_validator() -> World:
    """A new validator that begins with what the other one published."""
    world = World(
        schedule=SCHEDULE, signer=FakeSigner(hotkey=Hotkey("new")), cold_start_from=(FOLDER,)
    )
    world.chain.set_members(
        a_neuron("old", uid=0, stake_tao=1_000, validator_permit=True, last_update=60),
        a_neuron("new", uid=1, stake_tao=900, validator_permit=True),
    )
    world.chain.hotkey = Hotkey("new")
    for name, quality, block in (
        ("first", 1.0, 100),
        ("worse", 1.3, 120),
        ("better", 0.9, 450),
        ("near", 0.995, 130),
    ):
        world.miner(name, quality, block=block)
    while world.chain.number < 2_200:
        world.chain.advance()
    return world


def crowns(state: ValidatorState) -> list[str | None]:
    return [r.winner for r in state.rounds[ONE]]


def adopted() -> Memory:
    world = a_validator()
    state = world.begin()
    assert state.beginning is not None
    assert state.beginning.way is ColdStart.RECEIPTS
    assert crowns(state) == CROWNS
    return world.store.memory


def test_they_are_adopted_and_audit_clean_under_the_rule_that_they_were_made_by() -> None:
    memory = adopted()
    result = audit(memory, SCHEDULE)
    assert (result.rounds, result.receipts, result.differences) == (4, 9, ())
    shown = {e.key.hotkey: e.score for e in memory.results[max(memory.results)].entries}
    assert shown[Hotkey("better")] == pytest.approx(
        0.9876706901644176
    )  # along the curve, as it was told


def test_as_ones_own_they_audit_clean_too_although_the_schedule_has_changed_since() -> None:
    memory = adopted()
    memory.beginning = None
    for other in ("f", "0"):
        assert audit(memory, SCHEDULE, fingerprint=other).differences == ()


def test_a_round_of_theirs_that_was_changed_is_found() -> None:
    memory = deepcopy(adopted())
    memory.beginning = None
    entry = next(k for k in memory.journal if k[1].hotkey == "better")
    blocks = memory.journal[entry]
    memory.journal[entry] = blocks[:-1]
    assert audit(memory, SCHEDULE).differences != ()


def test_the_next_round_is_judged_by_the_second_rule_and_its_champion_keeps_its_shield() -> None:
    world = a_validator()
    state = world.run(rounds=5, until=3_000)
    assert crowns(state) == [*CROWNS, "better"]
    plan = world.store.memory.plans[max(world.store.memory.plans)]
    assert plan.premises is not None
    assert plan.premises.former == plan.champion
    assert (plan.premises.is_shielded, plan.premises.num_judged) == (True, 4)
    assert audit(world.store.memory, SCHEDULE).differences == ()
