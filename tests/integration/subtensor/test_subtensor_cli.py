"""``sn37 chain`` over a chain in memory, and against a port where nobody listens."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import bittensor as bt
import pytest

import sn37
from sn37.adapters.subtensor.connection import Endpoint
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.config.settings import Settings
from sn37.app.wiring import networks, start_checks
from sn37.domain.check_line import Check
from sn37.domain.release.version import weights_version
from tests.integration.subtensor.world import ALICE, BOB, SUBNET, World
from tests.support.substrate import MemorySubstrate, client_over

TEXT = f"2:acme:model:{'a' * 40}:{'A' * 43}=:1"

Checks = dict[str, tuple[str, str, str]]


@pytest.fixture(scope="module")
def wallets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wallet ``val`` with the hotkey ``hk``. Do not write to it."""
    folder = tmp_path_factory.mktemp("wallets")
    bt.Wallet("val", "hk", path=str(folder)).create_new_hotkey(suppress=True)
    return folder


@pytest.fixture
def hotkey(wallets: Path) -> str:
    return str(bt.Wallet("val", "hk", path=str(wallets)).hotkey.ss58_address)


async def nothing(settings: Settings) -> AsyncIterator[Check]:
    checks: Sequence[Check] = ()
    for check in checks:
        yield check


class Cli:
    """Runs a command over these nodes, with or without the wallet."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
        wallets: Path,
    ) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self._state, self._wallets = tmp_path, wallets
        self.with_schedule = False  # the checks of data sets and tasks take seconds

    def run(self, words: str, *nodes: MemorySubstrate, wallet: bool = False) -> tuple[int, str]:
        endpoints = [
            Endpoint(name=f"node {i}", open=lambda n=n: client_over(n))  # type: ignore[misc]
            for i, n in enumerate(nodes)
        ]
        if nodes:
            self._monkeypatch.setattr(networks, "endpoints", lambda settings: endpoints)
        if not self.with_schedule:
            self._monkeypatch.setattr(start_checks, "checks_of_network", nothing)
        args = ["chain", *words.split(), "--state-dir", str(self._state)]
        if "--network" not in words:
            args += ["--network", "test"]
        if wallet:
            args += ["--wallet", "val", "--wallet-hotkey", "hk"]
            args += ["--wallet-path", str(self._wallets)]
        code = run(main.app, args, prog_name="sn37")
        out = self._capsys.readouterr()
        return code, out.out + out.err

    def check(self, *nodes: MemorySubstrate, wallet: bool = True) -> tuple[int, Checks]:
        code, out = self.run("check --json", *nodes, wallet=wallet)
        rows = json.loads(out)
        return code, {r["name"]: (r["grade"], r["detail"], r["remedy"]) for r in rows}


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    wallets: Path,
) -> Cli:
    return Cli(monkeypatch, capsys, tmp_path, wallets)


@pytest.fixture
def node(hotkey: str) -> MemorySubstrate:
    """A subnet on which the wallet's hotkey may set weights."""
    substrate = World(commit_reveal=True).substrate
    substrate.register(hotkey, stake_tao=1_000, permit=True)
    substrate.commit_text(ALICE.hotkey, TEXT)
    substrate.commit_text(BOB.hotkey, "junk")
    substrate.produce(200)
    return substrate


def test_a_validator_with_everything_has_no_failure(cli: Cli, node: MemorySubstrate) -> None:
    code, checks = cli.check(node, node)
    assert code == 0
    assert not [name for name, (grade, *_) in checks.items() if grade == "failed"]
    assert checks["hash cross-check"][0] == "ok"
    assert checks["commitments"][1].startswith("1 name models, 1 are malformed")
    assert "uid 5" in checks["hotkey"][1]
    assert checks["commit-reveal"][0] == "ok"
    assert str(weights_version(sn37.__version__)) in checks["weights version"][1]
    assert re.fullmatch(
        r"a row for 3 miners was composed, fee \d\.\d+ TAO", checks["weights, not sent"][1]
    )


def test_nothing_is_ever_sent(cli: Cli, node: MemorySubstrate) -> None:
    cli.check(node)
    cli.run("commitments", node)
    assert node.submitted == []


def test_lines_for_people_say_the_same(cli: Cli, node: MemorySubstrate) -> None:
    code, out = cli.run("check", node, wallet=True)
    assert code == 0
    assert re.search(r"^ok +endpoint node 0: connected in .* block 1400, runtime 420$", out, re.M)
    assert re.search(r"^warning +hash cross-check: only one endpoint .*; to fix it: ", out, re.M)


@pytest.mark.parametrize(
    ("line", "spoil"),
    [
        ("validator permit", lambda n, h: n.set_permit(h, False)),
        ("stake", lambda n, h: n.put("StakeThreshold", (), 10**13)),
        ("weights version", lambda n, h: n.put("WeightsVersionKey", (SUBNET,), 10**9)),
        ("hotkey", lambda n, h: n.register(BOB.hotkey, uid=5)),
        ("subnet", lambda n, h: n.put("NetworksAdded", (SUBNET,), None)),
    ],
)
def test_what_keeps_weights_off_the_chain_is_a_failure_with_a_remedy(
    line: str,
    spoil: Callable[[MemorySubstrate, str], object],
    cli: Cli,
    node: MemorySubstrate,
    hotkey: str,
) -> None:
    spoil(node, hotkey)
    code, checks = cli.check(node)
    grade, _, remedy = checks[line]
    assert (code, grade) == (1, "failed")
    assert remedy


def test_commit_reveal_off_and_a_recent_row_are_no_failures(
    cli: Cli, node: MemorySubstrate, hotkey: str
) -> None:
    node.put("CommitRevealWeightsEnabled", (SUBNET,), False)
    node.put("LastUpdate", (SUBNET,), [0, 0, 0, 0, 0, 1390])
    code, checks = cli.check(node)
    assert code == 0
    assert checks["commit-reveal"][0] == "warning"
    assert "from block 1490, in 90 blocks" in checks["rate limit"][1]
    assert checks["weights, not sent"][0] == "warning"


def test_an_endpoint_that_is_out_is_a_failure_and_the_rest_goes_on(
    cli: Cli, node: MemorySubstrate
) -> None:
    dead = MemorySubstrate()
    dead.faults.refused = True
    code, checks = cli.check(node, dead)
    assert code == 1
    assert checks["endpoint node 1"][0] == "failed"
    assert checks["commitments"][0] == "ok"


def test_t43_endpoints_that_disagree_on_a_final_hash_are_a_failure(
    cli: Cli, node: MemorySubstrate
) -> None:
    liar = MemorySubstrate(head=node.ledger.head, salt="another chain")
    code, checks = cli.check(node, liar)
    assert code == 1
    assert checks["hash cross-check"][0] == "failed"


def test_without_a_wallet_the_chain_is_checked_all_the_same(
    cli: Cli, node: MemorySubstrate
) -> None:
    code, checks = cli.check(node, wallet=False)
    assert code == 0
    assert checks["hotkey"][0] == "warning"
    assert "weights, not sent" not in checks


def test_a_wallet_that_is_not_there_is_one_failed_line(cli: Cli, node: MemorySubstrate) -> None:
    code, out = cli.run("check --wallet nobody --wallet-path /nowhere", node)
    assert code == 1
    assert re.search(r"^failed +wallet: no hotkey at /nowhere/nobody/hotkeys/default; ", out, re.M)
    assert "commitments: 1 name models" in out


def test_it_begins_with_the_lines_of_the_doctor_on_the_schedule(
    cli: Cli, node: MemorySubstrate, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.with_schedule = True
    _, out = cli.run("check", node)
    run(main.app, ["doctor", "--network", "test"], prog_name="sn37")
    by_doctor = capsys.readouterr().out.splitlines()
    first = next(n for n, line in enumerate(by_doctor) if " data set " in line)
    assert out.splitlines()[: len(by_doctor) - first] == by_doctor[first:]
    assert " endpoint node 0: " in out.splitlines()[len(by_doctor) - first]


def test_a_refused_port_is_one_failed_line(cli: Cli) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else can
        taken.bind(("127.0.0.1", 0))
        address = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        code, out = cli.run(f"check --network {address}")
    assert code == 1
    (line,) = out.splitlines()
    assert line.startswith(f"failed   endpoint {address.removeprefix('ws://')}: ")
    assert "to fix it" in line


def test_simnet_has_no_chain_to_look_at(cli: Cli) -> None:
    code, out = cli.run("check --network simnet")
    assert code == 2
    assert "name finney, test, local" in out


def test_commitments_are_listed_for_people_and_for_programs(
    cli: Cli, node: MemorySubstrate
) -> None:
    code, out = cli.run("commitments", node)
    assert code == 0
    assert f"{ALICE.hotkey}  competition 1  acme/model@aaaaaaaaaaaa" in out
    assert f"{BOB.hotkey}  names no model: parts, " in out
    _, text = cli.run("commitments --json", node)
    listed = json.loads(text)
    assert listed["block"] == node.finalized
    assert [row["hotkey"] for row in listed["commitments"]] == [ALICE.hotkey, BOB.hotkey]


def test_an_empty_subnet_says_so(cli: Cli) -> None:
    _, out = cli.run("commitments", World().substrate)
    assert "no commitments" in out


def test_a_subnet_that_does_not_exist_is_said_to(cli: Cli) -> None:
    code, out = cli.run("commitments --netuid 99", World().substrate)
    assert code == 1
    assert "subnet 99 of test does not exist or has no members at block " in out
    assert "--netuid" in out


def test_base_models_are_listed_by_their_incentive(cli: Cli) -> None:
    node = World().substrate
    node.add_subnet(9)
    old = TEXT.removeprefix("2:").rpartition(":")[0]
    for signer, text in ((ALICE, TEXT), (BOB, old)):
        node.register(signer.hotkey, netuid=9)
        node.produce()
        node.commit_text(signer.hotkey, text, netuid=9)
    node.put("Incentive", (9,), [200, 600])
    _, out = cli.run("base-models", node)
    assert out.splitlines() == [f"0.0031  {ALICE.hotkey}  competition 1  acme/model@{'a' * 12}"]
    code, out = cli.run("base-models --json --default-competition 4", node)
    rows = json.loads(out)
    assert [(row["hotkey"], row["competition"]) for row in rows] == [
        (BOB.hotkey, 4),
        (ALICE.hotkey, 1),
    ]
    assert code == 0
    _, out = cli.run("base-models --competition 3", node)
    assert out == "no model with incentive on subnet 9\n"
