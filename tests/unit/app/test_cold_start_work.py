"""What a cold start has to do, and that it lets others on while it does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sn37.app import cold_start, histories, rechecking
from sn37.app.keeper import StateKeeper
from sn37.domain.commitment import Commitment
from sn37.domain.ids import EntryKey
from sn37.domain.models import ModelArtifact, ModelConstraints
from sn37.ports.model_store import ModelStore
from tests.unit.app.fake_world import ONE, World
from tests.unit.app.published_rounds import FIRST_ROUNDS, NEW, OLD, Subnet, export
from tests.unit.app.test_audit import audit
from tests.unit.app.test_cold_start import HEAD, MEMORY, SUBNET, late


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return export(MEMORY, tmp_path / "old")


def turns_at(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, world: World
) -> list[int | None]:
    """How often the event loop had turned at each call of a function; ``None`` beside the loop."""
    called, turns = list[int | None](), 0
    function: Callable[..., Any] = getattr(module, name)

    def call(*args: Any, **kwargs: Any) -> object:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            called.append(None)
        else:
            called.append(turns)
        return function(*args, **kwargs)

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def begin() -> None:
        turning = asyncio.create_task(turn())
        await world._begin(world._container())
        turning.cancel()

    monkeypatch.setattr(module, name, call)
    asyncio.run(begin())
    return called


def test_the_loop_turns_between_any_two_rounds_that_are_derived_again(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = turns_at(monkeypatch, histories, "conclude", late(published))
    assert len(called) == FIRST_ROUNDS
    assert len(set(called)) == FIRST_ROUNDS


def test_the_receipts_of_a_whole_history_are_ranked_beside_the_loop(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert turns_at(monkeypatch, rechecking, "ranked", late(published)) == [None]


def test_who_is_nearly_a_copy_is_not_asked_of_rounds_whose_crowns_are_not_derived(
    tmp_path: Path,
) -> None:
    old = SUBNET.validator(OLD, memory=MEMORY, at=HEAD)
    old.run(rounds=FIRST_ROUNDS + 3)
    folder = export(old.store.memory, tmp_path / "longer")
    world = SUBNET.validator(NEW, begin_with=(folder,), at=old.chain.number)
    state = world.begin()
    assert state.beginning is not None
    since = state.beginning.follows_from[ONE]
    flags = {r.key.sync_block: r.near_duplicates for r in state.rounds[ONE]}
    assert min(flags) < since <= max(flags), "some are before the last coronation, some after"
    assert {block for block, found in flags.items() if found is None} == {
        block for block in flags if block < since
    }
    assert audit(world.store.memory).differences == ()


def test_models_are_fetched_in_one_order_whoever_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subnet = Subnet()
    world = World(chain=subnet.chain, models=subnet.models, qualities=subnet.qualities)
    for number in range(8):
        world.miner(f"equal{number}", 1.0, block=130 + number)
    old = subnet.validator(OLD)
    old.run(rounds=1)
    folder = export(old.store.memory, tmp_path / "old")
    fetched: list[EntryKey] = []

    async def bring(
        models: ModelStore, keeper: StateKeeper, commitment: Commitment, limits: ModelConstraints
    ) -> ModelArtifact:
        fetched.append(commitment.key)
        return await models.fetch(commitment, limits)

    monkeypatch.setattr(cold_start, "bring", bring)
    subnet.validator(NEW, begin_with=(folder,), at=old.chain.number).begin()
    assert len(fetched) > 8
    assert fetched == sorted(fetched)
