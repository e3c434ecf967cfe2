"""Publishing to the hub through the real client: private first, read back, resumable."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePath

import pytest

from sn37.adapters.hub.publisher import HubPublisher
from sn37.adapters.hub.transfer_messages import Connection
from sn37.domain.ids import Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.commitment import secure_hash
from sn37.ports.errors import ModelRejected, PublishRefused
from sn37.testing.model_publisher_contract import ModelPublisherContract
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_models import LIMITS, committed, write_model
from tests.integration.hub.hub_state import Hub
from tests.integration.hub.killing import content


def a_publisher(hub: Hub) -> HubPublisher:
    hub.tokens["hf_alice"] = "alice"
    return HubPublisher(Connection(endpoint=hub.url, token="hf_alice", pause_s=0.01))


class TestHubPublisher(ModelPublisherContract):
    @pytest.fixture(autouse=True)
    def _hub(self, hub: Hub, tmp_path: Path) -> None:
        self.hub = hub
        self.good = write_model(tmp_path / "good")
        self.bad = write_model(tmp_path / "bad")
        (self.bad / "modeling.py").write_text("import os")

    @asynccontextmanager
    async def publisher(self) -> AsyncIterator[HubPublisher]:
        yield a_publisher(self.hub)

    def silence(self, publisher: HubPublisher) -> None:  # type: ignore[override]
        self.hub.faults.append(Fault(path="", times=None, drop=True))

    def folder(self) -> PurePath:
        return self.good

    def bad_folder(self) -> PurePath:
        return self.bad

    def repo(self) -> str:
        return "alice/model"

    def constraints(self) -> ModelConstraints:
        return LIMITS

    async def exists(self, publisher: HubPublisher, repo: str) -> bool:  # type: ignore[override]
        return repo in self.hub.repositories

    async def is_public(self, publisher: HubPublisher, repo: str) -> bool:  # type: ignore[override]
        return not self.hub.repositories[repo].private


async def test_what_the_hub_holds_is_what_is_committed_and_nothing_else_is_sent(
    hub: Hub, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model", shards=3)
    revision, hashes = await a_publisher(hub).upload(folder, "alice/model", LIMITS)
    held = hub.repositories["alice/model"].revisions[revision]
    assert set(held) == {".gitattributes", *content(folder)}  # the hub adds that one
    expected = committed(hub, "alice/model", revision).model.secure_hash
    assert secure_hash(hashes.v2, Hotkey("alice")) == expected


async def test_t02_nothing_is_uploaded_where_everybody_can_read_it(
    hub: Hub, tmp_path: Path
) -> None:
    hub.publish("alice/model", write_model(tmp_path / "old"))
    with pytest.raises(PublishRefused, match="choose a new repository name"):
        await a_publisher(hub).upload(write_model(tmp_path / "new", 2), "alice/model", LIMITS)
    assert not hub.objects
    assert not any("/commit/" in served.path for served in hub.served)


async def test_an_upload_repeated_after_publishing_returns_the_same_pair(
    hub: Hub, tmp_path: Path
) -> None:
    folder, publisher = write_model(tmp_path / "model"), a_publisher(hub)
    first = await publisher.upload(folder, "alice/model", LIMITS)
    await publisher.make_public("alice/model")
    assert await publisher.upload(folder, "alice/model", LIMITS) == first


async def test_what_an_earlier_upload_left_there_is_removed(hub: Hub, tmp_path: Path) -> None:
    publisher, folder = a_publisher(hub), write_model(tmp_path / "model", shards=2)
    await publisher.upload(folder, "alice/model", LIMITS)
    second = write_model(tmp_path / "second", 2)
    revision, _ = await publisher.upload(second, "alice/model", LIMITS)
    held = hub.repositories["alice/model"].revisions[revision]
    assert set(held) == {".gitattributes", *content(second)}


@pytest.mark.parametrize(
    ("repo", "token"),
    [("bob/model", "hf_alice"), ("alice/model", "hf_unknown"), ("a--b/../c", "hf_alice")],
    ids=["somebody else's", "bad token", "bad name"],
)
async def test_a_no_of_the_hub_is_told_as_such(
    hub: Hub, tmp_path: Path, repo: str, token: str
) -> None:
    a_publisher(hub)
    publisher = HubPublisher(Connection(endpoint=hub.url, token=token))
    with pytest.raises(PublishRefused) as caught:
        await publisher.upload(write_model(tmp_path / "model"), repo, LIMITS)
    assert token not in str(caught.value)
    with pytest.raises(PublishRefused):
        await publisher.make_public(repo)


async def test_t10_weights_that_validators_refuse_are_not_sent(hub: Hub, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-2, 2)
        file.write(b"\xc0\x7f")
    with pytest.raises(ModelRejected) as caught:
        await a_publisher(hub).upload(folder, "alice/model", LIMITS)
    assert caught.value.reason is Reason.NON_FINITE
    assert hub.served == []
