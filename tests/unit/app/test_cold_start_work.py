"""What a cold start has to do, and that it lets others on while it does it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sn37.app.cold_start import offered_history as histories
from sn37.app.cold_start import recheck as rechecking
from sn37.app.cold_start import starter as cold_start
from sn37.app.cold_start.recheck import MIN_RECEIPTS
from sn37.app.cold_start.resampling import Resampler
from sn37.app.receipts.files import read_receipt
from sn37.app.rounds.scoring_jobs import JobBuilder
from sn37.app.rounds.screening import Screener
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.samples.sources import Sources
from sn37.domain.data.samples import PoolRequest
from sn37.domain.events import Degraded
from sn37.domain.ids import Digest, EntryKey
from sn37.domain.round.state import ColdStart
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.schedule import COLD_ROUNDS
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.model_store import ModelStore
from sn37.testing.fakes import FakePlugin
from tests.support.auditing import audit
from tests.support.fake_world import ONE, World
from tests.support.late_starts import doubting, four_rounds, going_on, late, twelve_rounds
from tests.support.published_rounds import FIRST_ROUNDS, NEW, OLD, Subnet, export


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return export(four_rounds().memory, tmp_path / "old")


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
    old = going_on()
    old.run(rounds=FIRST_ROUNDS + 3)
    folder = export(old.store.memory, tmp_path / "longer")
    world = four_rounds().subnet.validator(NEW, begin_with=(folder,), at=old.chain.number)
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

    async def fetch_model(
        models: ModelStore, keeper: StateKeeper, commitment: Commitment, limits: ModelConstraints
    ) -> ModelArtifact:
        fetched.append(commitment.key)
        return await models.fetch(commitment, limits)

    monkeypatch.setattr(cold_start, "fetch_model", fetch_model)
    subnet.validator(NEW, begin_with=(folder,), at=old.chain.number).begin()
    assert len(fetched) > 8
    assert fetched == sorted(fetched)


def num_reads(world: World) -> Counter[PoolRequest]:
    return Counter(world.dataset.requests)


def test_the_source_of_a_round_is_read_once_for_all_of_its_receipts(published: Path) -> None:
    world = late(published)
    assert world.begin().rounds
    assert MIN_RECEIPTS > FIRST_ROUNDS, "of some round more than one receipt was scored again"
    assert set(num_reads(world).values()) == {1}


def test_what_was_read_for_receipts_is_not_read_again_to_judge_the_rounds_anew(
    tmp_path: Path,
) -> None:
    world = doubting(export(twelve_rounds().memory, tmp_path / "old"))
    state = world.begin()
    assert state.beginning is not None
    assert state.beginning.way is ColdStart.MANIFESTS
    assert list(num_reads(world).values()) == [1] * len(state.rounds[ONE])


def test_however_long_a_model_is_waited_for_no_source_is_read_again(tmp_path: Path) -> None:
    world = doubting(export(twelve_rounds().memory, tmp_path / "old"))
    world.models.outages["better/model"] = 1_000
    state = world.begin()
    assert any(isinstance(e, Degraded) for e in world.sink.events)
    assert list(num_reads(world).values()) == [1] * len(state.rounds[ONE])


async def test_of_a_round_only_the_rows_drawn_or_named_are_held_and_of_few_rounds() -> None:
    world, newest = late(), max(four_rounds().memory.receipts)
    receipt, _ = read_receipt(four_rounds().memory.receipts[newest][0].document)
    resampler = Resampler(
        chain=world.chain,
        sources=Sources(lambda name: FakePlugin(source=world.dataset)),
        schedule=world.schedule,
        screener=Screener(
            jobs=JobBuilder(world.models, StateKeeper(world.store)), scorer=world.scorer
        ),
    )
    rules = world.schedule.competition(ONE, receipt.round.sync_block)
    assert rules is not None
    (task,) = receipt.manifest
    named = {row for row, _ in receipt.manifest[task]}
    found = await resampler.read(receipt, rules)
    assert {s.provenance.row_id for s in found.rows[task]} == named
    assert await resampler.read(receipt, rules) is found
    other = replace(receipt, manifest={task: ()}, manifest_digest=Digest("0" * 64))
    assert (await resampler.read(other, rules)).rows[task] == ()
    for number in range(COLD_ROUNDS):
        asked = replace(other, manifest_digest=Digest(f"{number:064}"))
        await resampler.read(asked, rules)
    assert await resampler.read(receipt, rules) is not found
