"""A hub and a store for every test that asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.hub.transfer_messages import Connection
from tests.integration.hub.hub_server import running_hub
from tests.integration.hub.hub_state import Hub


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        yield hub


@pytest.fixture
def open_store(hub: Hub, tmp_path: Path) -> Callable[..., HubModelStore]:
    """Open a store on the hub; the same cache name gives the same cache."""

    def open_store(cache: str = "cache", **options: int) -> HubModelStore:
        connection = Connection(endpoint=hub.url, token="hf_validator", pause_s=0.01)
        return HubModelStore(tmp_path / cache, connection=connection, **options)

    return open_store
