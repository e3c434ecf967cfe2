"""A validator begins with another's receipts, or without; what it takes over it has checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from sn37.domain.state import ColdStart
from sn37.testing.fakes.state_store import Memory
from tests.unit.app.fake_world import ONE, World
from tests.unit.app.published_rounds import (
    FIRST_ROUNDS,
    NEW,
    OLD,
    Subnet,
    cautions,
    crowns,
    export,
)

SUBNET = Subnet()


def first_rounds() -> tuple[Memory, int]:
    world = SUBNET.validator(OLD)
    world.run(rounds=FIRST_ROUNDS)
    return world.store.memory, world.chain.number


MEMORY, HEAD = first_rounds()


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return export(MEMORY, tmp_path / "old")


def test_from_its_first_round_on_it_agrees_with_the_validator_whose_receipts_it_took(
    published: Path,
) -> None:
    rounds = FIRST_ROUNDS + 5
    old = SUBNET.validator(OLD, memory=MEMORY, at=HEAD).run(rounds=rounds)
    late = SUBNET.validator(NEW, begin_with=(published,), at=HEAD)
    new = late.run(rounds=rounds)
    print(crowns(old), cautions(late))
    assert crowns(new) == crowns(old)
    assert len(set(crowns(old).values())) == 2, "the crown passed on"
    blind = SUBNET.validator(NEW, begin_with=(), at=HEAD).run(rounds=5)
    print(crowns(blind))


def test_dbg(published: Path) -> None:
    late = SUBNET.validator(NEW, begin_with=(published,), at=HEAD)
    late.run(rounds=5)
    from tests.unit.app.test_audit import audit
    from sn37.domain.schedule import Schedule
    assert audit(late.store.memory).differences == ()
    assert audit(MEMORY).differences == ()
