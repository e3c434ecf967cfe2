"""The commit that a branch of a model's repository has today."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sn37.adapters.hub.commits import model_commit
from sn37.ports.errors import StoreUnavailable
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_repositories import HubFile
from tests.integration.hub.hub_server import running_hub
from tests.integration.hub.hub_state import Hub

REPO = "Xenova/gpt-4"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        hub.publish(REPO, {"tokenizer.json": HubFile(b"{}")})
        yield hub


async def test_a_branch_is_at_its_newest_commit(hub: Hub) -> None:
    first = hub.repositories[REPO].head
    assert await model_commit(REPO, "main", endpoint=hub.url) == first
    second = hub.publish(REPO, {"tokenizer.json": HubFile(b"[]")})
    assert await model_commit(REPO, "main", endpoint=hub.url) == second
    assert await model_commit(REPO, first, endpoint=hub.url) == first


@pytest.mark.parametrize(
    ("repo", "branch"), [("nobody/nothing", "main"), (REPO, "other"), ("not a repository", "main")]
)
async def test_what_is_not_there_is_named_in_a_line(hub: Hub, repo: str, branch: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await model_commit(repo, branch, endpoint=hub.url)
    assert str(caught.value).startswith(f"{repo} at '{branch}': ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fault", [Fault("", status=503), Fault("", drop=True), Fault("", body=b'{"id": "x"}')]
)
async def test_a_hub_that_does_not_answer_is_reported(hub: Hub, fault: Fault) -> None:
    fault.times = None
    hub.faults.append(fault)
    with pytest.raises(StoreUnavailable):
        await model_commit(REPO, "main", endpoint=hub.url)
