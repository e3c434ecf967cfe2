"""``sn37 chain`` over a chain in memory, and against a port where nobody listens."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import bittensor as bt
import pytest

import sn37
from sn37.adapters.subtensor.checkup import Checkup
from sn37.adapters.subtensor.connection import Endpoint
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.config.settings import Settings
from sn37.app.doctor.topics import TOPICS, topic_of
from sn37.app.wiring import doctor, networks, start_checks
from sn37.domain.check_line import Check
from sn37.domain.ids import Netuid
from sn37.domain.release.version import weights_version
from sn37.ports.errors import StoreUnavailable
from sn37.testing.fakes import FakeClock, RecordingSink
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


async def nothing(settings: Settings, *_: object) -> AsyncIterator[Check]:
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
        self.monkeypatch, self._capsys = monkeypatch, capsys
        self._state, self._wallets = tmp_path, wallets
        self.with_schedule = False  # the checks of data sets and tasks take seconds

    def run(
        self, words: str, *nodes: MemorySubstrate, wallet: bool = False, command: str = "chain"
    ) -> tuple[int, str]:
        endpoints = [
            Endpoint(name=f"node {i}", open=lambda n=n: client_over(n))  # type: ignore[misc]
            for i, n in enumerate(nodes)
        ]
        if nodes:
            self.monkeypatch.setattr(networks, "endpoints", lambda settings: endpoints)
        if not self.with_schedule:
            self.monkeypatch.setattr(start_checks, "checks_of_network", nothing)
            self.monkeypatch.setattr(doctor, "checks_of_network", nothing)
        args = [command, *words.split(), "--state-dir", str(self._state)]
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
    quiet_surroundings(cli.monkeypatch)
    run(main.app, ["doctor", "--network", "test"], prog_name="sn37")
    by_doctor = capsys.readouterr().out.splitlines()
    end = next(n for n, line in enumerate(by_doctor) if " python: " in line)
    assert out.splitlines()[:end] == by_doctor[:end]
    assert " data set " in by_doctor[0]
    assert " endpoint node 0: " in out.splitlines()[end]


def quiet_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked about device, hub and wandb: other tests do that."""

    async def silent(*_: object) -> None:
        raise StoreUnavailable("not asked")

    for name in ("device_facts", "hub_facts", "wandb_user"):
        monkeypatch.setattr(doctor, name, silent)


def test_the_doctor_ends_with_the_wallet_and_the_lines_of_the_chain(
    cli: Cli, node: MemorySubstrate, wallets: Path
) -> None:
    quiet_surroundings(cli.monkeypatch)
    code, checks = cli.check(node, node)
    words = f"--wallet val --wallet-hotkey hk --wallet-path {wallets}"
    out = cli.run(f"{words} --json", node, node, command="doctor")[1]
    rows = json.loads(out)
    by_doctor = {row["name"]: (row["grade"], row["remedy"]) for row in rows}
    assert code == 0
    assert by_doctor["wallet"] == ("ok", "")
    of_chain = list(by_doctor)[list(by_doctor).index("wallet") :]
    assert of_chain == list(checks)
    assert {name: by_doctor[name] for name in of_chain} == {
        name: (grade, remedy) for name, (grade, _, remedy) in checks.items()
    }
    topics = [TOPICS.index(topic_of(name)) for name in of_chain]
    assert topics == sorted(topics)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "network test needs a wallet"),
        ("--wallet nobody --wallet-path /nowhere", "no hotkey at /nowhere/nobody/hotkeys/default"),
    ],
)
def test_the_doctor_asks_for_the_wallet_that_a_start_asks_for(
    cli: Cli, node: MemorySubstrate, words: str, said: str
) -> None:
    quiet_surroundings(cli.monkeypatch)
    code, out = cli.run(words, node, command="doctor")
    assert code == 1
    assert re.search(rf"^failed +wallet: {said}.*; to fix it: ", out, re.M)


class Slow(FakeClock):
    """A clock that is ahead by three seconds whenever it is looked at again."""

    def monotonic(self) -> float:
        self.elapsed += 3
        return self.elapsed


@pytest.mark.parametrize(("clock", "grade"), [(FakeClock(), "ok"), (Slow(), "warning")])
async def test_an_endpoint_that_answers_late_is_a_warning(
    node: MemorySubstrate, clock: FakeClock, grade: str
) -> None:
    found = await checked(node, clock)
    assert found["endpoint node"].grade == grade
    assert bool(found["endpoint node"].remedy) == (grade == "warning")


class Ahead(FakeClock):
    """A clock that shows another time."""

    ahead_s = 0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_s)


@pytest.mark.parametrize(("late_s", "grade"), [(30, "ok"), (150, "warning"), (-150, "warning")])
async def test_a_head_whose_time_is_not_this_machine_s_is_a_warning(
    node: MemorySubstrate, late_s: int, grade: str
) -> None:
    clock = Ahead()
    said = (await checked(node, clock))["finalized head"].detail
    age = re.search(r"(-?\d+) s old", said)
    assert age is not None
    clock.ahead_s = late_s - int(age[1])
    assert (await checked(node, clock))["finalized head"].grade == grade


async def checked(node: MemorySubstrate, clock: FakeClock) -> dict[str, Check]:
    checkup = Checkup(
        endpoints=[Endpoint(name="node", open=lambda: client_over(node))],
        netuid=Netuid(SUBNET),
        signer=None,
        clock=clock,
        sink=RecordingSink(),
    )
    return {check.name: check async for check in checkup.run()}


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
