"""Transfers that are killed, cancelled or orphaned: what came stays, what is shown is whole."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sn37.adapters.hub import cache
from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.hub.transfer_messages import Connection, FetchOrder, encode_order
from sn37.ports.errors import StoreUnavailable
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_models import LIMITS, publish, write_model
from tests.integration.hub.hub_state import Hub
from tests.integration.hub.killing import content, kill_downloads, kill_uploads, transfers_of

KILLS = 20


class Reached:
    """Tells when the hub has seen so many requests and blocks."""

    def __init__(self, events: int) -> None:
        self.event = threading.Event()
        self._left = iter(range(events - 1))

    def __call__(self) -> None:
        if next(self._left, None) is None:
            self.event.set()


def left_over(cache: Path) -> list[Path]:
    return list((cache / "partial").iterdir())


@pytest.mark.fault("model hub", "flapping")
async def test_a_transfer_killed_at_random_moments_ends_whole_and_repeats_nothing(
    hub: Hub, tmp_path: Path
) -> None:
    assert await kill_downloads(hub, tmp_path, KILLS) == KILLS


async def test_an_upload_killed_at_random_moments_ends_whole_and_sends_nothing_twice(
    hub: Hub, tmp_path: Path
) -> None:
    assert await kill_uploads(hub, tmp_path, KILLS) == KILLS


@pytest.mark.parametrize("event", [5, 20])
@pytest.mark.fault("transfer", "orphaned")
@pytest.mark.fault("SIGKILL", "fetch")
def test_a_validator_killed_in_the_middle_takes_its_transfer_along(
    event: int, hub: Hub, open_store: Callable[..., HubModelStore], tmp_path: Path
) -> None:
    model = write_model(tmp_path / "model", size=640)
    commitment = publish(hub, "alice/model", model)
    order = FetchOrder(commitment=commitment, constraints=LIMITS, partial="", home="", room_bytes=0)
    line = encode_order(Connection(endpoint=hub.url, token="hf_validator"), order).decode()
    reached = Reached(event)
    hub.on_event = reached
    hub.faults.append(Fault("safetensors", skip=1, times=None, block_delay_s=0.05))
    program = str(Path(__file__).with_name("fetch_once.py"))
    with subprocess.Popen(
        [sys.executable, program, str(tmp_path / "cache"), line],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as validator:
        assert reached.event.wait(60)
        (transfer,) = transfers_of(validator.pid)
        handle = os.pidfd_open(transfer)
        validator.kill()
    assert select.select([handle], [], [], 60)[0], "the transfer outlived its validator"
    os.close(handle)
    hub.faults.clear()
    artifact = asyncio.run(open_store().fetch(commitment, LIMITS))
    assert content(artifact.path)["model.safetensors"] == content(model)["model.safetensors"]


async def test_a_cancelled_fetch_leaves_no_process_and_can_be_resumed(
    hub: Hub, open_store: Callable[..., HubModelStore], tmp_path: Path
) -> None:
    commitment = publish(hub, "alice/model", write_model(tmp_path / "model", size=640))
    hub.faults.append(Fault("safetensors", skip=1, times=1, block_delay_s=0.05))
    reached = Reached(8)
    hub.on_event = reached
    task = asyncio.create_task(open_store().fetch(commitment, LIMITS))
    assert await asyncio.to_thread(reached.event.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert transfers_of(os.getpid()) == []
    assert (await open_store().fetch(commitment, LIMITS)).ref == commitment.model


async def test_left_over_transfers_are_evicted_and_those_under_way_are_not(
    hub: Hub, open_store: Callable[..., HubModelStore], tmp_path: Path
) -> None:
    commitment = publish(hub, "alice/model", write_model(tmp_path / "model", size=128))
    fault = Fault("safetensors", skip=1, times=None, status=503)
    hub.faults.append(fault)
    store = open_store()
    with pytest.raises(StoreUnavailable):
        await store.fetch(commitment, LIMITS)
    assert await store.evict(keep=[commitment.model]) == 0
    assert await store.evict(keep=()) > 65_000
    assert not left_over(tmp_path / "cache")


async def test_a_model_whose_record_was_torn_is_fetched_again(
    hub: Hub, open_store: Callable[..., HubModelStore], tmp_path: Path
) -> None:
    commitment = publish(hub, "alice/model", write_model(tmp_path / "model"))
    first = await open_store().fetch(commitment, LIMITS)
    record = Path(first.path).with_name("facts.json")
    record.write_bytes(b"\0" * record.stat().st_size)
    assert await open_store().fetch(commitment, LIMITS) == first


async def test_an_evicted_folder_that_a_kill_left_half_deleted_is_swept(
    open_store: Callable[..., HubModelStore], tmp_path: Path
) -> None:
    half = tmp_path / "cache" / "models" / "doomed-0123"
    half.mkdir(parents=True)
    (half / "left").write_bytes(b"1234")
    assert await open_store().evict(keep=()) == 4
    assert not half.exists()


async def test_two_evictions_at_once_delete_each_folder_once(
    open_store: Callable[..., HubModelStore], tmp_path: Path
) -> None:
    store = open_store()
    for number in range(200):
        folder = tmp_path / "cache/models" / f"{number:040x}"
        folder.mkdir(parents=True)
        (folder / "weights").write_bytes(b"1234")
    freed = await asyncio.gather(*(store.evict(keep=()) for _ in range(4)))
    assert sum(freed) == 800


async def test_an_eviction_passes_over_a_folder_that_a_transfer_has_just_removed(
    open_store: Callable[..., HubModelStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "cache/models" / ("1" * 40)
    there.mkdir(parents=True)
    (there / "weights").write_bytes(b"1234")
    listed = {"models": [there.with_name("2" * 40), there]}
    monkeypatch.setattr(cache, "_folders", lambda parent: listed.get(parent.name, []))
    assert await open_store().evict(keep=()) == 4
    assert not there.exists()
