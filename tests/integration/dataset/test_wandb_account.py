"""Whose login wandb knows this machine as, asked through its own client."""

from __future__ import annotations

from pathlib import Path

import pytest

from sn37.adapters.dataset.wandb_account import wandb_user
from sn37.ports.errors import DatasetUnavailable
from tests.integration.dataset.wandb_server import Fault, WandbHost


@pytest.fixture(autouse=True)
def its_address(wandb_host: WandbHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", wandb_host.url)
    monkeypatch.setenv("HOME", str(tmp_path))  # without a netrc


async def test_a_key_that_is_accepted_names_its_owner() -> None:
    assert await wandb_user() == "us"


async def test_a_machine_without_a_key_is_told_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(DatasetUnavailable, match="wandb login"):
        await wandb_user()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(operation="GetViewer", status=401, times=None),
        Fault(operation="GetViewer", drop=True, times=None),
        Fault(operation="GetViewer", data={"viewer": None}, times=None),
        Fault(operation="GetViewer", data=[], times=None),
    ],
    ids=["refused", "dropped", "nobody", "nonsense"],
)
async def test_a_key_that_is_not_accepted_is_no_login(wandb_host: WandbHost, fault: Fault) -> None:
    wandb_host.faults.append(fault)
    with pytest.raises(DatasetUnavailable):
        await wandb_user()


async def test_a_host_that_does_not_answer_is_given_up_in_time(wandb_host: WandbHost) -> None:
    wandb_host.faults.append(Fault(operation="GetViewer", mute=True, times=None))
    with pytest.raises(DatasetUnavailable, match="within 5 s"):
        await wandb_user(timeout_s=5)


async def test_a_client_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "wandb.py").write_text("raise ModuleNotFoundError(\"No module named 'wandb'\")")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DatasetUnavailable, match="No module named 'wandb'"):
        await wandb_user()
