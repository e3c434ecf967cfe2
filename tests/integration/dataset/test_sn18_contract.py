"""Subnet 18's source holds what every live source must, over wandb's own client."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pytest

from sn37.adapters.dataset.sn18 import Sn18, Sn18Parameters, build
from sn37.app.samples.sources import Sources
from sn37.app.wiring.plugins import installed_plugin
from sn37.domain.data.samples import PoolRequest
from sn37.domain.schedule.competition import Freshness, ParameterValue
from sn37.ports.dataset import DatasetPlugin
from sn37.testing.builders import a_source
from sn37.testing.dataset_contract import DatasetPluginContract, LiveDatasetContract
from tests.integration.dataset.sn18_runs import (
    ALICE,
    BOB,
    CAROL,
    MINUTE,
    PROJECT,
    REQUEST,
    SINCE,
    a_run,
    plain_rows,
)
from tests.integration.dataset.wandb_server import API_KEY, Fault, WandbHost, running_wandb

NOBODY = "http://127.0.0.1:9"  # the discard port


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[WandbHost, WandbHost]]:
    """One that is well, and one that hangs up in the middle of a history."""
    with running_wandb() as well, running_wandb() as ill:
        for host in (well, ill):
            host.projects[PROJECT] = [
                a_run("alice-1", ALICE, plain_rows("alice", 40, since=SINCE - 10 * MINUTE)),
                a_run("bob-1", BOB, plain_rows("bob", 10, since=SINCE)),
                a_run("carol-1", CAROL, plain_rows("carol", 10, since=SINCE)),
            ]
        ill.faults.append(Fault(operation="HistoryPage", skip=1, times=None, cut=True))
        yield well, ill


class TestSn18(LiveDatasetContract):
    @pytest.fixture(autouse=True)
    def connect(self, hosts: tuple[WandbHost, WandbHost], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WANDB_API_KEY", API_KEY)
        self.well, self.ill = (host.url for host in hosts)

    def dataset(self) -> Sn18:
        return Sn18(Sn18Parameters(base_url=self.well))

    def silent_dataset(self) -> Sn18:
        return Sn18(Sn18Parameters(base_url=NOBODY), retries=1)

    def partial_dataset(self) -> Sn18:
        return Sn18(Sn18Parameters(base_url=self.ill))

    def request(self) -> PoolRequest:
        return REQUEST


class TestSn18Plugin(DatasetPluginContract):
    def plugin(self) -> DatasetPlugin:
        return build()

    def parameters(self) -> Mapping[str, ParameterValue]:
        return {
            "entity": "cortex-t",
            "project": "multi-modality",
            "modality": "text",
            "base_url": "https://wandb.example",
        }

    def wrong_parameters(self) -> Mapping[str, Mapping[str, ParameterValue]]:
        return {
            "entity": {"entity": "../other"},
            "project": {"project": ""},
            "modality": {"modality": "images"},
            "base_url": {"base_url": "file:///etc/passwd"},
        }


def test_it_is_registered_under_its_name() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, factory = project["entry-points"]["sn37.datasets"]["sn18"].partition(":")
    assert getattr(import_module(module), factory) is build


async def test_the_plug_in_reads_in_a_process_of_its_own_what_it_reads_here(
    hosts: tuple[WandbHost, WandbHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", API_KEY)
    url = hosts[0].url
    source = a_source(
        "sn18", freshness=Freshness.LIVE, max_age_s=3600, parameters={"base_url": url}
    )
    found = await Sources(installed_plugin).collect(source, REQUEST)
    here = await Sn18(Sn18Parameters(base_url=url)).collect(REQUEST)
    assert found.pool == here
    assert found.set_aside == ()
    assert len(found.pool.samples) >= 10
