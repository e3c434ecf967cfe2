"""Nobody but code, chain, hub and data decides: no clock, no judge, no service of ours."""

from __future__ import annotations

import ast
import asyncio
import socket
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sn37
from sn37.app.config.settings import Settings
from sn37.app.schedule.load import ScheduleError, load_schedule
from sn37.app.wiring.network import Network
from sn37.domain.data.batches import interleave
from sn37.domain.round.evidence import task_scores, weigh
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.jobs import BlockLosses, ScoringJob
from sn37.testing.builders import a_competition, a_task
from tests.support.fake_world import World

PACKAGE = Path(sn37.__file__).parent

# t14: no time in a score


@given(
    st.lists(st.floats(0.01, 9), min_size=64, max_size=64),
    st.lists(st.floats(0, 1e6), min_size=4, max_size=4),
    st.lists(st.integers(0, 10**6), min_size=4, max_size=4),
)
def test_t14_neither_time_nor_tokens_are_part_of_a_score(
    losses: list[float], seconds: list[float], tokens: list[int]
) -> None:
    rules = a_competition(tasks=(a_task(num_samples=64),))
    order = interleave(((rules.tasks[0].name, 64),))

    def blocks(timed: bool) -> list[BlockLosses]:
        return [
            BlockLosses(
                block=block,
                losses=tuple(losses[block.first : block.stop]),
                tokens=tokens[n] if timed else 1,
                seconds=seconds[n] if timed else 0.0,
            )
            for n, block in enumerate(order)
        ]

    assert weigh(blocks(True), rules) == weigh(blocks(False), rules)
    assert task_scores(blocks(True), rules) == task_scores(blocks(False), rules)


# t37: no judge


def test_t37_a_job_holds_one_model_and_no_judge() -> None:
    named = {field.name for field in fields(ScoringJob)}
    assert named == {
        "artifact",
        "constraints",
        "batches",
        "timeout_s",
        "budgets",
        "stop",
        "tokenizer",
        "template",
        "skip_blocks",
        "implementation",
        "question_key",
    }


@pytest.mark.parametrize(
    "method", ["judge", "llm_judge", "reward_model", "preference", "arena", ""]
)
def test_t37_a_schedule_cannot_ask_for_a_judge(method: str, tmp_path: Path) -> None:
    text = (PACKAGE / "app" / "schedules" / "simnet.toml").read_text()
    asked = text.replace('method = "reference_loss"', f'method = "{method}"')
    assert asked != text
    file = tmp_path / "schedule.toml"
    file.write_text(asked)
    with pytest.raises(ScheduleError, match="method"):
        load_schedule(str(file))


def test_t37_what_is_scored_is_a_loss_that_code_computes() -> None:
    traits = [m.traits for m in Method]
    assert all(t.given_text is not None or t.is_choice or t.is_generated for t in traits)
    assert not any(word in method for method in Method for word in ("judge", "preference", "elo"))


# t35: no service of ours


@pytest.fixture
def no_connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every attempt to reach another machine; none succeeds."""
    tried: list[object] = []

    def refuse(*asked: object, **more: object) -> None:
        tried.append(asked)
        raise ConnectionRefusedError("no service is reached from here")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    for name in ("create_connection", "create_datagram_endpoint", "getaddrinfo"):
        monkeypatch.setattr(asyncio.base_events.BaseEventLoop, name, refuse)
    return tried


def test_t35_from_chain_to_weights_nothing_else_is_asked(no_connections: list[object]) -> None:
    world = World()
    world.miner("first", 1.0)
    world.miner("better", 0.8, block=450)
    state = world.run(rounds=3)
    assert world.chain.submitted, "weights were set"
    assert any(record.extrinsic for record in state.weights)
    assert no_connections == []


def test_t35_a_network_is_chain_hub_key_and_data_and_nothing_else() -> None:
    named = {field.name for field in fields(Network)}
    assert named == {"chain", "models", "signer", "find_source", "labels", "close"}


def test_t35_the_only_addresses_of_a_validator_are_those_of_its_chain() -> None:
    named = {
        name
        for name in Settings.model_fields
        if any(word in name for word in ("url", "address", "endpoint", "host", "server", "api"))
    }
    assert named == {"endpoint"}


_CLIENTS = {
    "aiohttp",
    "bittensor",
    "http",
    "httpx",
    "httpx2",
    "huggingface_hub",
    "requests",
    "urllib",
    "wandb",
}
# Of those that reach other machines: the chain, the hub, data sources, rounds that other
# validators signed; ``leaderboards`` is for commands that print one, ``releases`` for
# ``sn37 upgrade``, ``training`` for miners, ``simnet`` derives its keys by the SDK.
_MAY = {"subtensor", "hub", "dataset", "receipts", "leaderboards", "releases", "training", "simnet"}
_CALLS_NOBODY = {  # it listens, it verifies, it times the requests of others
    "adapters/system/health_server.py",
    "adapters/signatures.py",
    "adapters/deadline.py",
}
_TELLS = {"adapters/system/webhook.py", "adapters/telemetry/wandb_child.py"}  # decides nothing


def _imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    harmless = {"urllib.parse", "huggingface_hub.errors", "http"}  # texts, errors, status codes
    return {name.partition(".")[0] for name in found - harmless}


def test_t35_only_the_adapters_of_chain_hub_and_data_can_reach_anybody() -> None:
    others: list[str] = []
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        parts = name.split("/")
        is_theirs = parts[0] == "adapters" and parts[1] in _MAY
        if is_theirs or name in _CALLS_NOBODY | _TELLS or parts[0] == "testing":
            continue
        others += [f"{name}: {client}" for client in _imported(file) & _CLIENTS]
    assert others == []


def test_t35_a_validator_does_not_know_where_releases_come_from() -> None:
    text = (PACKAGE / "app" / "wiring" / "container.py").read_text(encoding="utf-8")
    assert "adapters.releases" not in text
    assert "adapters.hub" not in text, "opened by the network that the operator names"


def test_t34_the_consensus_of_others_is_read_for_the_leaderboard_alone() -> None:
    readers = [
        file.relative_to(PACKAGE).as_posix()
        for folder in ("app", "domain")
        for file in sorted((PACKAGE / folder).rglob("*.py"))
        if ".consensus(" in file.read_text(encoding="utf-8")
    ]
    assert readers == ["app/actors/onlooker.py"]
