"""``sn37 miner base`` of a repository on the hub, with the licence that its card names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sn37.adapters.hub.examiner import HubExaminer
from sn37.adapters.hub.transfer_messages import Connection
from sn37.app.cli import miner
from sn37.ports.errors import ModelNotPublic
from tests.integration.hub.hub_models import write_model
from tests.integration.hub.hub_state import Hub


@pytest.fixture
def base(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> pytest.CaptureFixture[str]:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", "hf_alice")
    monkeypatch.chdir(tmp_path)
    return capsys


def fetch(source: str) -> int:
    return miner.main(["base", source, "--competition", "1", "--state-dir", "state"])


def test_a_branch_is_pinned_and_its_newest_commit_brought_here(
    hub: Hub, base: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    revision = hub.publish("alice/model", write_model(tmp_path / "model"))
    hub.repositories["alice/model"].card = {"license": "apache-2.0"}
    assert fetch("alice/model@main") == 0
    said = base.readouterr()
    assert f"base: alice/model@{revision}" in said.out
    assert "licence apache-2.0" in said.out
    assert said.err.startswith("warning: competition 1 ends at block")
    assert said.err.count("\n") == 1
    assert (tmp_path / "base" / "config.json").is_file()
    assert list((tmp_path / "state" / "checks").iterdir()) == []


def test_a_licence_that_forbids_it_is_warned_of(
    hub: Hub, base: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    revision = hub.publish("alice/model", write_model(tmp_path / "model"))
    hub.repositories["alice/model"].card = {"license": "cc-by-nc-nd-4.0"}
    assert fetch(f"alice/model@{revision}") == 0
    ending, licence = base.readouterr().err.splitlines()
    assert ending.startswith("warning: competition 1 ends at block")
    assert licence.startswith("warning: licence cc-by-nc-nd-4.0 forbids")


def test_what_no_validator_would_admit_starts_nothing(
    hub: Hub, base: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "model.bin").write_bytes(b"pickle")
    revision = hub.publish("alice/model", folder)
    assert fetch(f"alice/model@{revision}") == 1
    assert "cannot be the base for competition 1: unsafe_file: " in base.readouterr().err
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ({"license": "mit"}, "mit"),
        ({"license": ["mit", "cc-by-4.0"]}, "mit"),
        ({"license": "other", "license_name": "my-licence"}, "my-licence"),
        ({"license": "other"}, "other"),
        ({"license": 3}, None),
        ({}, None),
        (None, None),
    ],
)
async def test_the_licence_is_the_one_that_the_card_names(
    hub: Hub, tmp_path: Path, card: object, licence: str | None
) -> None:
    revision = hub.publish("alice/model", write_model(tmp_path / "model"))
    hub.repositories["alice/model"].card = card
    examiner = HubExaminer(tmp_path / "checks", connection=Connection(endpoint=hub.url))
    assert await examiner.licence("alice/model", revision) == licence


async def test_a_repository_that_is_not_there_has_no_licence(hub: Hub, tmp_path: Path) -> None:
    examiner = HubExaminer(tmp_path / "checks", connection=Connection(endpoint=hub.url))
    with pytest.raises(ModelNotPublic):
        await examiner.licence("alice/nothing", "0" * 40)
