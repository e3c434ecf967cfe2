"""Publishing from the command line, on a simulated network, and what the status says of it."""

from __future__ import annotations

from pathlib import Path

from sn37.adapters.simnet.host.repositories import Visibility
from tests.integration.miner.miner_world import MinerWorld


def test_a_model_becomes_public_once_its_commitment_stands(world: MinerWorld, model: Path) -> None:
    assert "status      nothing committed" in world.run("status").out
    said = world.publish(model)
    assert said.code == 0
    size_bytes = sum(f.stat().st_size for f in model.iterdir())
    assert said.err.splitlines() == [
        f"checking {model} for competition 2 (SIMNET_FREE)",
        f"uploading {size_bytes:,} bytes to alice/model, private",
    ]
    assert ", public" in said.out
    status = world.run("status", "--json").json
    assert status["stage"] == "waiting"
    assert status["commitment"]["public"] is True
    assert status["next_round"]["reason"] == "too_early"
    assert status["first_round"]["sync_block"] == 3_240
    assert status["validator"] is None


def test_a_dry_run_shows_text_bytes_and_cost_and_sends_nothing(
    world: MinerWorld, model: Path
) -> None:
    said = world.publish(model, "--dry-run")
    assert said.code == 0
    assert "text        2:alice:model:" + "0" * 40 in said.out
    assert "of 128 bytes" in said.out
    assert "fee 0.000000000 TAO; may be sent now" in said.out
    assert said.out.splitlines()[-1] == "nothing was sent"
    assert world.commitments() == []
    assert world.visibility() is None

    dry = world.publish(model, "--dry-run", "--json").json
    assert dry["published"] is None
    assert dry["text_bytes"] == len(dry["text"]) == dry["stored_bytes"]


def test_the_text_of_a_dry_run_is_the_one_that_is_committed(world: MinerWorld, model: Path) -> None:
    dry = world.publish(model, "--dry-run", "--json").json
    done = world.publish(model, "--json").json
    assert done["text"] == dry["text"]
    again = world.publish(model, "--dry-run", "--json").json
    assert again["stands_already"] is True
    assert again["gives_up"] == []


def test_publishing_again_commits_nothing(world: MinerWorld, model: Path) -> None:
    first = world.publish(model, "--json").json["published"]
    assert world.publish(model, "--json").json["published"] == first
    assert len(world.commitments()) == 1


def test_t02_a_sealed_commitment_keeps_the_repository_private_until_it_opens(
    world: MinerWorld, model: Path
) -> None:
    sealed = ["--sealed-minutes", "10"]
    said = world.publish(model, *sealed, "--no-wait", "--json")
    assert said.json["published"]["public"] is False
    assert world.visibility() is Visibility.PRIVATE
    status = world.run("status", "--json").json
    assert status["stage"] == "sealed"
    assert status["sealed_at"] == said.json["published"]["block"]

    said = world.publish(model, *sealed)  # waits now
    assert "waiting until: the sealed commitment opens" in said.err
    assert world.visibility() is Visibility.PUBLIC
    assert len(world.commitments()) == 1
    assert world.run("status", "--json").json["stage"] == "waiting"


def test_a_seal_that_would_never_open_is_given_up_only_when_told_to(
    world: MinerWorld, model: Path
) -> None:
    assert world.publish(model, "--sealed-minutes", "60", "--no-wait").code == 0
    said = world.publish(model, repo="alice/other")
    assert said.code == 1
    assert "it is replaced and will never open; to commit anyway: --replace-champion" in said.err


def test_anybody_s_status_can_be_asked_for(world: MinerWorld, model: Path) -> None:
    assert world.publish(model).code == 0
    hotkey = world.guest().signer.hotkey
    status = world.run("status", "--hotkey", hotkey, "--json", hotkey="bob").json
    assert status["hotkey"] == hotkey
    assert status["stage"] == "waiting"
    assert world.run("status", "--json", hotkey="bob").json["stage"] == "not registered"


def test_a_published_model_can_be_checked_as_a_validator_would(
    world: MinerWorld, model: Path
) -> None:
    commit = world.publish(model, "--json").json["published"]["commit"]
    said = world.run(
        "check", f"alice/model@{commit}", "--competition", "2", "--no-loading", "--json"
    )
    assert said.code == 0
    assert {row["check"]: row["status"] for row in said.json["checks"]}["weights"] == "passed"
    said = world.run("check", f"alice/model@{'0' * 40}", "--competition", "2", "--json")
    assert said.code == 1
    assert said.json["checks"][0]["reason"] == "not_public"
