"""A state on the side is empty at first and leaves nothing behind; another outlives a kill."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sn37.adapters.sqlite.scratch import lasting_scratch_store, remove_scratch, scratch_store
from sn37.app.supervision.deadlines import Steps
from sn37.app.supervision.waiting_store import patiently
from sn37.domain.round.state import ValidatorState
from sn37.ports.errors import StateUnavailable
from sn37.testing.builders import a_submission
from sn37.testing.fakes import FakeClock, RecordingSink


def use(path: Path, *, fails: bool = False) -> ValidatorState:
    async def save_and_load() -> ValidatorState:
        async with scratch_store(path) as store:
            before = await store.load()
            await store.save_submissions([a_submission()])
            if fails:
                raise RuntimeError("killed")
            return before

    return asyncio.run(save_and_load())


def test_it_is_empty_whatever_a_killed_process_has_left(tmp_path: Path) -> None:
    path = tmp_path / "scratch.sqlite"
    for ending in ("", "-wal", "-shm", ".lock"):
        path.with_name(path.name + ending).write_bytes(b"left")
    assert use(path) == ValidatorState()
    assert list(tmp_path.iterdir()) == []


def test_it_is_gone_when_something_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        use(tmp_path / "scratch.sqlite", fails=True)
    assert list(tmp_path.iterdir()) == []


def test_a_stop_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    async def stop() -> None:
        is_open = asyncio.Event()

        async def hold() -> None:
            async with scratch_store(tmp_path / "scratch.sqlite") as store:
                await store.save_submissions([a_submission()])
                is_open.set()
                await asyncio.Event().wait()

        holding = asyncio.create_task(hold())
        await is_open.wait()
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding

    asyncio.run(stop())
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_removed_is_the_disk_s_fault(tmp_path: Path) -> None:
    (tmp_path / "scratch.sqlite").mkdir()
    with pytest.raises(StateUnavailable, match="directory"):
        use(tmp_path / "scratch.sqlite")


def test_it_waits_for_its_disk_like_the_validator_s_own(tmp_path: Path) -> None:
    async def save() -> ValidatorState:
        clock = FakeClock()
        opened = scratch_store(tmp_path / "scratch.sqlite")
        async with patiently(
            opened, clock=clock, sink=RecordingSink(), steps=Steps(clock)
        ) as store:
            await store.save_submissions([a_submission()])
            return await store.load()

    assert len(asyncio.run(save()).submissions) == 1
    assert list(tmp_path.iterdir()) == []


# One that lasts


def use_lasting(path: Path, *, fails: bool = False) -> ValidatorState:
    async def save_and_load() -> ValidatorState:
        async with lasting_scratch_store(path) as store:
            before = await store.load()
            await store.save_submissions([a_submission()])
            if fails:
                raise RuntimeError("killed")
            return before

    return asyncio.run(save_and_load())


def test_what_was_recorded_before_a_kill_is_there_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "scratch.sqlite"
    with pytest.raises(RuntimeError, match="killed"):
        use_lasting(path, fails=True)
    assert len(use_lasting(path).submissions) == 1


@pytest.mark.parametrize("left", [b"no database", b""])
def test_a_damaged_one_is_replaced(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "scratch.sqlite"
    path.write_bytes(left)
    assert use_lasting(path) == ValidatorState()
    assert len(use_lasting(path).submissions) == 1


def test_it_is_removed_with_all_its_files_once_it_is_not_needed(tmp_path: Path) -> None:
    path = tmp_path / "scratch.sqlite"
    use_lasting(path)
    remove_scratch(path)
    remove_scratch(path)
    assert list(tmp_path.iterdir()) == []
