"""What a transfer finds on the disk: too little room, and what an earlier one left there."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sn37.adapters.hub.fetching import SPARE_BYTES, fetch
from sn37.adapters.hub.hub_requests import HubHost
from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.hub.remote_files import FIRST_BYTES
from sn37.adapters.hub.transfer_messages import Connection, FetchOrder
from sn37.ports.errors import StoreFull, StoreUnavailable
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_models import LIMITS, publish, write_model
from tests.integration.hub.hub_state import Hub
from tests.integration.hub.killing import content


@dataclass(frozen=True, slots=True)
class Usage:
    """As ``shutil.disk_usage`` says it."""

    free: int


@pytest.mark.fault("disk full", "fetch")
def test_t40_a_full_disk_is_noticed_before_the_weights_come_and_what_is_here_counts(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path / "model", size=640)
    connection = Connection(endpoint=hub.url, token="hf_validator", pause_s=0.01)
    home, partial = tmp_path / "home", tmp_path / "partial"
    order = FetchOrder(
        commitment=publish(hub, "alice/model", model),
        constraints=LIMITS,
        partial=str(partial),
        home=str(home),
        room_bytes=LIMITS.max_bytes,
    )
    size = sum((model / n).stat().st_size for n in ("config.json", "tokenizer.json"))
    size += (model / "model.safetensors").stat().st_size
    missing = size - FIRST_BYTES  # of the weights, for their header
    usage = Usage(missing + SPARE_BYTES - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    announced: list[int] = []
    with pytest.raises(StoreFull, match="bytes are free where models are kept"):
        fetch(HubHost(connection), connection, order, announced.append)
    assert hub.file_bytes("safetensors") == FIRST_BYTES
    assert announced == []
    usage = Usage(missing + SPARE_BYTES)
    fetch(HubHost(connection), connection, order, announced.append)
    assert announced == [size]
    assert hub.file_bytes("safetensors") == (model / "model.safetensors").stat().st_size
    assert not partial.exists()
    assert (home / "files" / "model.safetensors").exists()


def rewrite_partial(cache: Path, tear: Callable[[bytes], bytes]) -> None:
    """Change what a transfer has left of the weights."""
    (weights,) = cache.glob("partial/*/files/model.safetensors")
    weights.write_bytes(tear(weights.read_bytes()))


@pytest.mark.parametrize(
    "tear",
    [
        lambda data: data[:-1000] + bytes(1000),
        lambda data: data[:100],
        lambda data: b"",
        lambda data: data + bytes(5_000_000),
    ],
    ids=["zeros at the end", "shorter", "empty", "longer than the file"],
)
async def test_bytes_that_a_power_failure_tore_are_fetched_again(
    tear: Callable[[bytes], bytes],
    hub: Hub,
    open_store: Callable[..., HubModelStore],
    tmp_path: Path,
) -> None:
    model = write_model(tmp_path / "model", size=640)
    commitment = publish(hub, "alice/model", model)
    fault = Fault("safetensors", skip=1, times=None, status=503)  # the header comes
    hub.faults.append(fault)
    with pytest.raises(StoreUnavailable):
        await open_store().fetch(commitment, LIMITS)
    rewrite_partial(tmp_path / "cache", tear)
    fault.times = 0
    artifact = await open_store().fetch(commitment, LIMITS)
    assert content(artifact.path)["model.safetensors"] == content(model)["model.safetensors"]


@pytest.mark.fault("disk full", "fetch")
async def test_a_disk_that_fills_up_during_a_transfer_is_ours_and_the_rest_comes_later(
    hub: Hub, open_store: Callable[..., HubModelStore], tmp_path: Path
) -> None:
    """As far as a process can tell: no file may grow beyond 64 KiB, the weights have 130."""
    model = write_model(tmp_path / "model", size=128)
    commitment = publish(hub, "alice/model", model)
    store = open_store("cache")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, before[1]))  # its children inherit it
    try:
        with pytest.raises(StoreUnavailable, match="File too large"):
            await store.fetch(commitment, LIMITS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    artifact = await store.fetch(commitment, LIMITS)
    got, sent = content(artifact.path), content(model)
    assert got["model.safetensors"] == sent["model.safetensors"]
    assert hub.file_bytes("safetensors") < 2 * len(sent["model.safetensors"])
