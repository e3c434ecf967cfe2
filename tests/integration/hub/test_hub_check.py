"""``sn37 check`` of a repository: the admission of a validator, before any commitment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sn37.adapters.hub.model_store import HubModelStore
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_models import LIMITS, committed, write_model
from tests.integration.hub.hub_state import Hub

Check = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", "hf_alice")

    def check(target: str, *options: str) -> tuple[int, str, str]:
        arguments = ["check", target, "--competition", "1", "--state-dir", str(tmp_path / "state")]
        code = run(main.app, [*arguments, *options], prog_name="sn37")
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return check


def table(out: str) -> dict[str, str]:
    return {row["check"]: row["status"] for row in json.loads(out)["checks"]}


async def _artifact_hash(store: HubModelStore, hub: Hub, revision: str) -> str:
    return (await store.fetch(committed(hub, "alice/model", revision), LIMITS)).content_digest


def test_an_admissible_commit_passes_everything_and_leaves_nothing(
    hub: Hub, check: Check, tmp_path: Path
) -> None:
    revision = hub.publish("alice/model", write_model(tmp_path / "model", shards=2))
    code, out, err = check(f"alice/model@{revision}", "--json", "--no-loading")
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith("warning: competition 1 ends at block 4434611 of preset finney")
    assert set(table(out).values()) == {"passed", "not reached"}
    assert table(out)["weights"] == "passed"
    assert list((tmp_path / "state" / "checks").iterdir()) == []


async def test_the_model_hash_is_what_a_validator_will_compute(
    hub: Hub, check: Check, open_store: Callable[..., HubModelStore], tmp_path: Path
) -> None:
    revision = hub.publish("alice/model", write_model(tmp_path / "model"))
    expected = await _artifact_hash(open_store(), hub, revision)
    # The command runs a loop of its own, and there is one here.
    _, out, _ = await asyncio.to_thread(check, f"alice/model@{revision}", "--json", "--no-loading")
    assert json.loads(out)["model"]["model_hash"] == expected


def test_a_refusal_stops_before_the_weights_are_transferred(
    hub: Hub, check: Check, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model", architectures=["MambaForCausalLM"])
    code, out, _ = check(f"alice/model@{hub.publish('alice/model', folder)}")
    assert code == 1
    assert "failed       config" in out
    assert " architecture: 'MambaForCausalLM' is not allowed in this competition" in out
    assert hub.file_bytes("safetensors") == 0


def test_t10_weights_beyond_the_norms_are_found_out(hub: Hub, check: Check, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-2, 2)
        file.write(b"\xc0\x7f")
    code, out, _ = check(f"alice/model@{hub.publish('alice/model', folder)}", "--json")
    assert code == 1
    assert list(table(out).values())[-2:] == ["failed", "not reached"]
    assert json.loads(out)["checks"][-2]["reason"] == "non_finite"


def test_without_the_weights_their_headers_are_the_last(
    hub: Hub, check: Check, tmp_path: Path
) -> None:
    revision = hub.publish("alice/model", write_model(tmp_path / "model", size=640))
    code, out, _ = check(f"alice/model@{revision}", "--no-weights")
    assert code == 0
    assert "no problem found for competition 1" in out
    assert hub.file_bytes("safetensors") <= 65_536


def test_a_private_repository_is_not_public(hub: Hub, check: Check, tmp_path: Path) -> None:
    revision = hub.publish("alice/model", write_model(tmp_path / "model"))
    hub.tokens["hf_alice"] = "alice"
    hub.repositories["alice/model"].private = True
    code, out, _ = check(f"alice/model@{revision}")
    assert code == 1
    assert "failed       repository" in out
    assert "not_public: alice/model is not public" in out


def test_t09_a_branch_is_refused_with_the_commit_it_points_to(
    hub: Hub, check: Check, tmp_path: Path
) -> None:
    revision = hub.publish("alice/model", write_model(tmp_path / "model"))
    code, out, err = check("alice/model@main")
    assert (code, out) == (2, "")
    assert f"its commit now is {revision}: check alice/model@{revision}" in err


def test_a_branch_of_a_hub_that_does_not_answer_says_how_to_find_its_commit(
    hub: Hub, check: Check
) -> None:
    hub.faults.append(Fault("", times=None, drop=True))
    code, _, err = check("alice/model@main")
    assert code == 2
    assert "git ls-remote https://huggingface.co/alice/model main" in err


def test_an_outage_is_no_refusal(hub: Hub, check: Check, tmp_path: Path) -> None:
    revision = hub.publish("alice/model", write_model(tmp_path / "model"))
    hub.faults.append(Fault("/api/models/", times=None, status=503))
    code, out, err = check(f"alice/model@{revision}")
    assert (code, out) == (1, "")
    assert err == "error: the hub answers 503\n"


def test_the_check_of_a_folder_asks_nobody(hub: Hub, check: Check, tmp_path: Path) -> None:
    code, out, _ = check(str(write_model(tmp_path / "model")), "--json", "--no-loading")
    assert code == 0
    assert "repository" not in table(out)
    assert hub.served == []
