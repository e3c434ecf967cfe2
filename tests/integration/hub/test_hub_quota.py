"""Transfers side by side, and what earlier ones left, within one quota (attack 40)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sn37.adapters.hub.model_store import HubModelStore
from sn37.ports.errors import StoreFull, StoreUnavailable
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_models import LIMITS, publish, write_model
from tests.integration.hub.hub_state import Hub

OpenStore = Callable[..., HubModelStore]


async def test_t40_a_transfer_under_way_counts_with_the_most_that_it_may_come_to(
    hub: Hub, open_store: OpenStore, tmp_path: Path
) -> None:
    first = publish(hub, "alice/model", write_model(tmp_path / "first", 1, size=256))
    second = publish(hub, "bob/model", write_model(tmp_path / "second", 2, size=256))
    store = open_store(quota_bytes=LIMITS.max_bytes + 100_000)  # either has 280 KB
    asked, answer = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        assert answer.wait(60)

    hub.on_event = hold
    fetching = asyncio.create_task(store.fetch(first, LIMITS))
    assert await asyncio.to_thread(asked.wait, 60)
    hub.on_event = lambda: None
    with pytest.raises(StoreFull, match="quota leaves 100,000 bytes"):
        await store.fetch(second, LIMITS)
    answer.set()
    assert (await fetching).ref == first.model
    assert (await store.fetch(second, LIMITS)).ref == second.model


async def test_t40_what_an_unfinished_transfer_left_counts_for_the_others_alone(
    hub: Hub, open_store: OpenStore, tmp_path: Path
) -> None:
    first = publish(hub, "alice/model", write_model(tmp_path / "first", 1, size=256))
    second = publish(hub, "bob/model", write_model(tmp_path / "second", 2, size=256))
    fault = Fault("alice.*safetensors", skip=1, times=None, status=503)
    hub.faults.append(fault)
    store = open_store(quota_bytes=300_000)
    with pytest.raises(StoreUnavailable):
        await store.fetch(first, LIMITS)  # its first 64 KiB stay
    with pytest.raises(StoreFull):
        await store.fetch(second, LIMITS)
    fault.times = 0
    await store.evict(keep=[first.model])  # what the other's check had brought
    assert (await store.fetch(first, LIMITS)).ref == first.model
