"""Publishing with the adapters of the real network: the SDK over a chain in memory, and a hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bittensor as bt
import pytest

import sn37.app
from sn37.adapters.subtensor.connection import Endpoint
from sn37.adapters.subtensor.endpoints import keep_caches_in
from sn37.app.cli import miner
from sn37.app.wiring import networks
from sn37.domain.ids import Block, Hotkey
from sn37.domain.submission.commitment import Commitment, parse_commitment
from tests.integration.hub.hub_models import write_model
from tests.integration.hub.hub_server import running_hub
from tests.integration.hub.hub_state import Hub
from tests.support.substrate import MemorySubstrate, client_over

SCHEDULE = Path(sn37.app.__file__).parent / "schedules" / "simnet.toml"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        hub.tokens["hf_alice"] = "alice"
        yield hub


class RealNetwork:
    """A subnet whose miner ``alice`` has a wallet, and the commands on it."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._root, self._capsys = root, capsys
        self.model = write_model(root / "model")
        self.substrate = MemorySubstrate(head=1_000)
        self.substrate.add_subnet(37)
        wallet = bt.Wallet("alice", "hk", path=str(root / "wallets"))
        wallet.create_new_hotkey(suppress=True)
        self.hotkey = Hotkey(str(wallet.hotkey.ss58_address))

    def run(self, *args: str) -> tuple[int, str, str]:
        options = ["--network", "local", "--schedule", str(SCHEDULE)]
        options += ["--state-dir", str(self._root / "state"), "--wallet", "alice"]
        options += ["--wallet-hotkey", "hk", "--wallet-path", str(self._root / "wallets")]
        code = miner.main([*args, *options])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def publish(self, *args: str) -> tuple[int, str, str]:
        where = ["--repo", "alice/model", "--competition", "2", "--no-loading"]
        return self.run("publish", str(self.model), *where, *args)

    def status(self) -> Any:
        code, out, _ = self.run("status", "--json")
        assert code == 0
        return json.loads(out)


@pytest.fixture
def network(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RealNetwork:
    keep_caches_in(tmp_path / "caches")
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", "hf_alice")
    found = RealNetwork(tmp_path, capsys)
    endpoint = Endpoint(name="node", open=lambda: client_over(found.substrate))
    monkeypatch.setattr(networks, "endpoints", lambda settings: [endpoint])
    return found


def test_a_model_is_committed_and_then_public(hub: Hub, network: RealNetwork) -> None:
    network.substrate.register(network.hotkey)
    code, out, err = network.publish("--json")
    assert code == 0, err
    done = json.loads(out)
    ((module, call, params),) = network.substrate.submitted
    assert (module, call) == ("Commitments", "set_commitment")
    text = done["text"].replace("0" * 40, done["published"]["commit"])
    assert params["info"] == {"fields": [{f"Raw{len(text)}": text.encode()}]}
    parsed = parse_commitment(text, hotkey=network.hotkey, block=Block(0))
    assert isinstance(parsed, Commitment)
    assert parsed.model.revision == done["published"]["commit"]
    assert hub.repositories["alice/model"].private is False
    assert done["fee_rao"] == 0

    status = network.status()
    assert (status["stage"], status["commitment"]["public"]) == ("waiting", True)
    assert network.publish("--json")[0] == 0
    assert len(network.substrate.submitted) == 1


def test_a_dry_run_signs_and_uploads_nothing(hub: Hub, network: RealNetwork) -> None:
    network.substrate.register(network.hotkey)
    code, out, _ = network.publish("--dry-run")
    assert code == 0
    assert "fee 0.000000000 TAO" in out
    assert network.substrate.submitted == []
    assert hub.repositories == {}


def test_an_unregistered_hotkey_is_told_btcli_s_command(hub: Hub, network: RealNetwork) -> None:
    code, _, err = network.publish()
    assert code == 1
    assert "register it with: btcli subnets register --netuid 37" in err
    assert hub.repositories == {}
    assert network.status()["stage"] == "not registered"


def test_a_repository_of_somebody_else_is_refused_by_the_hub(
    hub: Hub, network: RealNetwork
) -> None:
    network.substrate.register(network.hotkey)
    where = ["--repo", "bob/model", "--competition", "2", "--no-loading"]
    code, _, err = network.run("publish", str(network.model), *where)
    assert code == 1
    assert "the hub refuses bob/model" in err
    assert "HF_TOKEN" in err
    assert network.substrate.submitted == []


def test_without_a_wallet_it_is_said_how_to_make_one(
    network: RealNetwork, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    args = ["publish", str(network.model), "--repo", "alice/model", "--competition", "2"]
    options = ["--network", "local", "--schedule", str(SCHEDULE), "--state-dir", str(tmp_path)]
    assert miner.main([*args, *options]) == 1
    assert "needs a wallet: pass --wallet NAME" in capsys.readouterr().err
