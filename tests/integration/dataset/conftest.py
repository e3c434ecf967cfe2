"""A wandb host for every test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.dataset.wandb_server import API_KEY, WandbHost, running_wandb


@pytest.fixture
def wandb_host(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbHost]:
    monkeypatch.setenv("WANDB_API_KEY", API_KEY)
    with running_wandb() as host:
        yield host
