"""Starting from rounds that begin within a reign, whose champion failed before they begin."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sn37.domain.data.samples import Sample
from sn37.domain.ids import RoundKey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ColdStart
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.errors import ModelRejected
from sn37.testing.fakes.state_store import Memory
from tests.support.auditing import audit
from tests.support.fake_world import World
from tests.support.published_rounds import (
    NEW,
    OLD,
    Subnet,
    cautions,
    export,
    noisy,
    sign_all_again,
)

Json = Any  # what json.loads returns
NUM_ROWS = 8_000
FAILED = {8, 10, 12, 14}  # numbers of rounds, from 1
FIRST_OFFERED = 11


def count_of(memory: Memory, key: RoundKey) -> int:
    premises = memory.plans[key].premises
    assert premises is not None
    assert premises.missed_defences is not None
    return premises.missed_defences


@cache
def subnet() -> Subnet:
    """Add a miner that is better by less than the margin: the crown has to be defended."""
    subnet = Subnet()
    world = World(chain=subnet.chain, models=subnet.models, qualities=subnet.qualities)
    world.miner("other", 0.979, block=460)
    return subnet


@cache
def source() -> tuple[Memory, int]:
    world = subnet().validator(OLD, num_rows=NUM_ROWS)
    exact = noisy(subnet().qualities)

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        judged = sum(r.skipped is None for r in world.store.memory.results.values())
        if artifact.ref.repo == "better/model" and judged + 1 in FAILED:
            raise ModelRejected("out of memory", reason=Reason.MEMORY)
        return exact(artifact, sample)

    world.scorer.loss = loss
    state = world.run(rounds=15, until=9_000)
    judged = [r for held in state.rounds.values() for r in held if r.skipped is None]
    assert [r.winner for r in judged[6:]] == ["better"] * 9
    assert count_of(world.store.memory, judged[-1].key) == 4
    return world.store.memory, world.chain.number


@pytest.fixture
def published(tmp_path: Path) -> Path:
    memory, _ = source()
    since = sorted(memory.plans)[FIRST_OFFERED - 1].sync_block
    return export(memory, tmp_path / "old", since=since)


def begun(folder: Path) -> World:
    world = subnet().validator(NEW, begin_with=(folder,), at=source()[1], num_rows=NUM_ROWS)
    world.begin()
    return world


def test_missed_rounds_before_the_adopted_ones_are_counted_on(published: Path) -> None:
    world = begun(published)
    beginning = world.store.memory.beginning
    assert beginning is not None
    assert beginning.way is ColdStart.RECEIPTS
    state = world.run(rounds=7, until=12_000)
    memory = world.store.memory
    assert count_of(memory, max(memory.plans)) == 4
    assert audit(memory).differences == ()
    judged = [r for held in state.rounds.values() for r in held if r.skipped is None]
    assert {r.winner for r in judged} == {"better"}


def test_judged_rounds_before_the_adopted_ones_are_counted_on(
    published: Path, tmp_path: Path
) -> None:
    world = begun(published)
    world.run(rounds=6, until=7_000)
    memory = world.store.memory
    counts = [plan.premises.num_judged for _, plan in sorted(memory.plans.items()) if plan.premises]
    first = FIRST_OFFERED - 1
    assert counts == list(range(first, first + 6))
    third = subnet().validator(
        "poor",
        begin_with=(export(memory, tmp_path / "new"),),
        at=world.chain.number,
        num_rows=NUM_ROWS,
    )
    beginning = third.begin().beginning
    assert beginning is not None
    assert (beginning.way, beginning.source) == (ColdStart.RECEIPTS, NEW)
    assert cautions(third) == []


def test_an_audit_finds_a_wrong_number_of_judged_rounds(published: Path) -> None:
    world = begun(published)
    world.run(rounds=7, until=12_000)
    keys = sorted(world.store.memory.plans)
    for key, wrong in ((keys[0], 3), (keys[0], 11), (keys[2], 1), (keys[-1], 1)):
        memory = deepcopy(world.store.memory)
        memory.results[key] = replace(memory.results[key], num_judged_before=wrong)
        assert any("judged before" in str(d) for d in audit(memory).differences)
    for key, wrong in ((keys[-1], 6), (keys[-1], 17)):
        memory = deepcopy(world.store.memory)
        plan = memory.plans[key]
        assert plan.premises is not None
        memory.plans[key] = replace(plan, premises=replace(plan.premises, num_judged=wrong))
        assert any("rounds judged before" in str(d) for d in audit(memory).differences)


def test_an_audit_finds_a_count_that_is_too_low_or_too_high(published: Path) -> None:
    world = begun(published)
    world.run(rounds=7, until=12_000)
    own, adopted = sorted(world.store.memory.plans)[-1], sorted(world.store.memory.plans)[3]
    for key, wrong in ((own, 3), (own, 5), (adopted, 0), (adopted, 23)):
        memory = deepcopy(world.store.memory)
        plan = memory.plans[key]
        assert plan.premises is not None
        premises = replace(plan.premises, missed_defences=wrong)
        memory.plans[key] = replace(plan, premises=premises)
        assert any("missed defences" in str(d) for d in audit(memory).differences)


def test_who_offers_rounds_cannot_begin_with_a_champion_protected_too_early(
    published: Path,
) -> None:
    def protected(document: Json) -> None:
        document["premises"]["is_shielded"] = True

    sign_all_again(published, statement=protected)
    world = begun(published)
    assert any("is protected, but took the crown too early" in line for line in cautions(world))


def test_results_of_a_version_that_did_not_record_the_count_follow_as_before() -> None:
    memory, _ = source()
    older = deepcopy(memory)
    for key, result in older.results.items():
        older.results[key] = replace(result, missed_defences=None)
    assert audit(older).differences == ()
