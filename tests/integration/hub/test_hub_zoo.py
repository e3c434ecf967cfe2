"""Hostile repositories against the store: each gets its own reason and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sn37.adapters.hub.fetching import fetch
from sn37.adapters.hub.host import HubHost
from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.hub.orders import Connection, FetchOrder
from sn37.ports.errors import ModelRejected
from tests.integration.hub.hostile_repositories import Hostile, zoo
from tests.integration.hub.hub_models import LIMITS, committed, write_model
from tests.integration.hub.hub_repositories import hub_files
from tests.integration.hub.hub_state import Hub

ZOO = zoo()
HEAVY = ("thousand files", "deeply", "quotes", "pieces", "hundred full headers", "parameters")
named = pytest.mark.parametrize("hostile", ZOO, ids=lambda h: h.name.replace(" ", "-"))
heavy = pytest.mark.parametrize(
    "hostile", [h for h in ZOO if h.name.endswith(HEAVY)], ids=lambda h: h.name.replace(" ", "-")
)


def files_below(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if not path.is_dir()}


def publish(hub: Hub, hostile: Hostile, folder: Path) -> str:
    (folder / "made").mkdir()
    good = hub_files(write_model(folder / "good"))
    return hub.publish("eve/model", dict(hostile.spoil(good, folder / "made")))


@named
def test_t04_t11_t19_t22_a_hostile_repository_is_refused_for_what_it_is(
    hostile: Hostile, hub: Hub, tmp_path: Path
) -> None:
    revision = publish(hub, hostile, tmp_path)
    before = files_below(tmp_path)
    connection = Connection(endpoint=hub.url, token="hf_validator", pause_s=0.01)
    order = FetchOrder(
        commitment=committed(hub, "eve/model", revision),
        constraints=LIMITS,
        partial=str(tmp_path / "cache" / "partial"),
        home=str(tmp_path / "cache" / "home"),
        room_bytes=LIMITS.max_bytes,
    )
    with pytest.raises(ModelRejected, match=hostile.says or None) as caught:
        fetch(HubHost(connection), connection, order, lambda size_bytes: None)
    assert caught.value.reason is hostile.reason
    assert str(caught.value).isprintable()
    assert files_below(tmp_path) == before
    assert hub.file_bytes() < 17_000_000  # headers and small files; most read far less


@heavy
async def test_t21_t22_a_bomb_is_refused_in_little_memory(
    hostile: Hostile, hub: Hub, open_store: Callable[..., HubModelStore], tmp_path: Path
) -> None:
    revision = publish(hub, hostile, tmp_path)
    with pytest.raises(ModelRejected) as caught:  # a process of ours cannot take over 300 MB
        await open_store().fetch(committed(hub, "eve/model", revision), LIMITS)
    assert caught.value.reason is hostile.reason


def test_the_zoo_is_large_and_its_names_are_unique() -> None:
    names = [hostile.name for hostile in ZOO]
    assert len(set(names)) == len(names) >= 30
