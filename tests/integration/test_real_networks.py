"""The adapters of a real network, put together as the validator does it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import bittensor as bt
import pytest
from dependency_injector import providers

from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.subtensor.connection import Endpoint
from sn37.app.config.settings import load_settings
from sn37.app.schedule.load import load_schedule
from sn37.app.wiring import networks
from sn37.app.wiring.container import Container
from sn37.domain.ids import Hotkey
from sn37.domain.weight_vector import WeightVector
from sn37.ports.errors import WeightsRefused
from tests.support.substrate import MemorySubstrate, client_over


def a_container(folder: Path, flags: Mapping[str, object]) -> Container:
    wallet = bt.Wallet("val", "hk", path=str(folder / "wallets"))
    wallet.create_new_hotkey(suppress=True)
    given = {"network": "local", "wallet": "val", "wallet_hotkey": "hk"}
    given |= {"wallet_path": str(folder / "wallets"), "state_dir": str(folder / "state")}
    loaded = load_schedule("simnet")
    return Container(
        settings=providers.Object(load_settings({**given, **flags})),
        loaded=providers.Object(loaded),
    )


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> MemorySubstrate:
    substrate = MemorySubstrate()
    endpoint = Endpoint(name="node", open=lambda: client_over(substrate))
    monkeypatch.setattr(networks, "endpoints", lambda settings: [endpoint])
    return substrate


async def test_a_real_network_is_the_chain_the_hub_and_the_hotkey(
    tmp_path: Path, node: MemorySubstrate
) -> None:
    container = a_container(tmp_path, {})
    network = await networks.open_network(container)
    try:
        assert (await network.chain.head()).number == node.finalized
        assert isinstance(network.models, HubModelStore)
        signature = network.signer.sign(b"receipt")
        assert bt.sp_core.verify(b"receipt", signature, network.signer.hotkey)
        with pytest.raises(LookupError):
            network.find_source("no_such_set")
    finally:
        await network.close()


async def test_offline_there_is_nobody_who_could_send_weights(
    tmp_path: Path, node: MemorySubstrate
) -> None:
    network = await networks.open_network(a_container(tmp_path, {"offline": True}))
    try:
        with pytest.raises(WeightsRefused, match="no hotkey was opened"):
            await network.chain.submit_weights(WeightVector({Hotkey(network.signer.hotkey): 1.0}))
    finally:
        await network.close()
