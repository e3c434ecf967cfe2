"""Transfers that are killed, cancelled or orphaned: what came stays, what is shown is whole."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path, PurePath

import pytest

from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.hub.orders import Connection, FetchOrder, encode_order
from sn37.ports.errors import StoreUnavailable
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_models import LIMITS, publish, write_model
from tests.integration.hub.hub_state import Hub

KILLS = 20
WORKER = b"sn37.adapters.hub.worker"


def children_of(pid: int) -> list[int]:
    """Its transfer processes."""
    listed = " ".join(p.read_text() for p in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(c) for c in listed.split() if WORKER in Path(f"/proc/{c}/cmdline").read_bytes()]


class Killer:
    """Kills the transfer at the nth request or block that the hub sees."""

    def __init__(self, hub: Hub) -> None:
        self.left = 0
        self._lock = threading.Lock()
        hub.on_event = self._event

    def _event(self) -> None:
        with self._lock:
            self.left -= 1
            if self.left == 0:
                for pid in children_of(os.getpid()):
                    os.kill(pid, signal.SIGKILL)


class Reached:
    """Tells when the hub has seen so many requests and blocks."""

    def __init__(self, events: int) -> None:
        self.event = threading.Event()
        self._left = iter(range(events - 1))

    def __call__(self) -> None:
        if next(self._left, None) is None:
            self.event.set()


def content(folder: PurePath) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def left_over(cache: Path) -> list[Path]:
    return list((cache / "partial").iterdir())


def complete_files(cache: Path, model: Path) -> set[str]:
    """Names of files that a left-over transfer holds in full."""
    sizes = {path.name: path.stat().st_size for path in model.iterdir()}
    return {p.name for p in cache.glob("partial/*/*/*") if p.stat().st_size == sizes[p.name]}


async def test_a_transfer_killed_at_random_moments_ends_whole_and_repeats_nothing(
    hub: Hub, open_store: Callable[..., HubModelStore], tmp_path: Path
) -> None:
    model = write_model(tmp_path / "model", size=640, shards=6)  # 5 MB: 80 blocks and requests
    commitment = publish(hub, "alice/model", model)
    whole = content(model)
    del whole["README.md"]
    killer, moments = Killer(hub), random.Random(37)
    kills = 0
    for cache in map(str, range(KILLS)):
        artifact = None
        while artifact is None:
            killer.left = moments.randint(1, 30) if kills < KILLS else 0
            asked_before = len(hub.served)
            done = complete_files(tmp_path / cache, model)
            try:
                artifact = await open_store(cache).fetch(commitment, LIMITS)
            except StoreUnavailable as error:
                assert "died" in str(error)  # noqa: PT017 - a kill may come after the last byte
                kills += 1
                assert not (tmp_path / cache / "models").exists()
            asked = {s.path.rsplit("/", 1)[1] for s in hub.served[asked_before:]}
            assert not asked & done
        assert content(artifact.path) == whole
        assert not left_over(tmp_path / cache)
        if kills == KILLS:
            break
    assert kills == KILLS


@pytest.mark.parametrize("event", [5, 20])
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
        (transfer,) = children_of(validator.pid)
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
    assert children_of(os.getpid()) == []
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
