"""A hub that misbehaves: what can be repaired is, and no miner is blamed for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import count
from pathlib import Path, PurePath

import pytest

from sn37.adapters.hub.hub_requests import RATE_LIMIT_WINDOW_S
from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.hub.transfer_messages import Connection, ProbeOrder
from sn37.adapters.hub.transfer_process import carry_out
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import TokenizerRef
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import Availability, ModelArtifact
from sn37.ports.errors import ModelNotPublic, ModelRejected, StoreFull, StoreUnavailable
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_models import LIMITS, committed, no_hash, publish, write_model
from tests.integration.hub.hub_repositories import HubFile, hub_files
from tests.integration.hub.hub_state import Hub

LISTING, FILES, WEIGHTS = "/api/models/", "/resolve/", r"/resolve/.*safetensors$"
NOT_FOUND = {"X-Error-Code": "RepoNotFound"}


class Scene:
    """A hub with one good model of 130 KB, and a store on it."""

    def __init__(self, hub: Hub, store: Callable[..., HubModelStore], folder: Path) -> None:
        self.hub = hub
        self.store = store
        self.model = write_model(folder, size=128)
        self.commitment = publish(hub, "alice/model", self.model)

    async def fetch(self, cache: str = "cache") -> ModelArtifact:
        return await self.store(cache).fetch(self.commitment, LIMITS)

    def is_whole(self, artifact: ModelArtifact) -> bool:
        names = {"config.json", "model.safetensors", "tokenizer.json"}
        found = {path.name: path.read_bytes() for path in Path(artifact.path).iterdir()}
        return found == {name: (self.model / name).read_bytes() for name in names}


def names_in(folder: PurePath) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


@pytest.fixture
def scene(hub: Hub, open_store: Callable[..., HubModelStore], tmp_path: Path) -> Scene:
    return Scene(hub, open_store, tmp_path / "model")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FILES, delay_s=0.05, times=None),
        Fault(FILES, drop=True),
        Fault(WEIGHTS, cut_after=70_000, times=2),
        Fault("tokenizer.json", status=503, times=3),
        Fault("config.json", status=429, headers={"Retry-After": "0"}),
        Fault(WEIGHTS, flip=True, times=1),
        Fault(WEIGHTS, resize=1),
        Fault("config.json", flip=True),
        Fault(FILES, ignore_range=True),
    ],
    ids=[
        "slow",
        "dropped",
        "cut",
        "503",
        "429",
        "wrong head",
        "resized",
        "wrong text",
        "rangeless",
    ],
)
@pytest.mark.fault("model hub", "flapping")
async def test_a_passing_fault_does_no_harm(scene: Scene, fault: Fault) -> None:
    scene.hub.faults.append(fault)
    assert scene.is_whole(await scene.fetch())


@pytest.mark.parametrize(
    "fault",
    [
        Fault(LISTING, status=500),
        Fault(LISTING, status=429),
        Fault(LISTING, status=401),  # no error code: it is our token
        Fault(LISTING, status=200),  # JSON, but no listing
        Fault(LISTING, drop=True),
        Fault(FILES, status=502),
        Fault(FILES, status=416),
        Fault(FILES, drop=True),
        Fault(WEIGHTS, cut_after=0),
        Fault(WEIGHTS, skip=1, flip=True),  # after the header; see decision 31
        Fault(WEIGHTS, resize=1),
        Fault(WEIGHTS, ignore_range=True, resize=1),
        Fault("config.json", flip=True),
        Fault("config.json", status=429, headers={"Retry-After": "3600"}),
    ],
    ids=lambda fault: f"{fault.path}-{fault.status or ''}{'flip' if fault.flip else ''}",
)
@pytest.mark.fault("model hub", "down")
@pytest.mark.fault("model hub", "wrong")
async def test_a_lasting_fault_of_the_hub_is_never_the_miners(scene: Scene, fault: Fault) -> None:
    fault = replace(fault, times=None)
    scene.hub.faults.append(fault)
    with pytest.raises(StoreUnavailable) as caught:
        await scene.fetch()
    assert caught.value.__cause__ is not None
    assert "hf_validator" not in str(caught.value)
    fault.times = 0
    assert scene.is_whole(await scene.fetch())


@pytest.mark.parametrize("cut_after", [None, 70_000])
async def test_a_server_that_answers_every_range_with_the_whole_file_is_read(
    scene: Scene, cut_after: int | None
) -> None:
    scene.hub.faults.append(Fault(WEIGHTS, ignore_range=True, skip=1, cut_after=cut_after))
    scene.hub.faults.append(Fault(FILES, ignore_range=True, times=None))
    assert scene.is_whole(await scene.fetch())


@pytest.mark.parametrize("extra", [b"", b"more"], ids=["same length", "longer"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
async def test_a_file_that_changes_after_it_was_listed_is_never_the_miners(
    scene: Scene, name: str, extra: bytes
) -> None:
    """A rewritten history, or a cache that answers with another commit's file."""
    repository = scene.hub.repositories["alice/model"]
    listed = repository.revisions[repository.head]
    changed = listed[name].data[:-9] + bytes(9) + extra  # not a header: see decision 31
    events = count(1)

    def rewrite_after_the_listing() -> None:
        if next(events) == 2:
            file = replace(listed[name], data=changed)
            repository.revisions[repository.head] = {**listed, name: file}

    scene.hub.on_event = rewrite_after_the_listing
    with pytest.raises(StoreUnavailable):
        await scene.fetch()
    assert scene.hub.served[0].path.startswith(LISTING)
    repository.revisions[repository.head] = listed
    assert scene.is_whole(await scene.fetch())


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "17"}, 17.0),
        ({"RateLimit": '"api";r=0;t=55'}, 55.0),
        ({"Retry-After": "86400"}, RATE_LIMIT_WINDOW_S),
        ({"Retry-After": "9" * 400}, RATE_LIMIT_WINDOW_S),
        ({"RateLimit": f'"api";r=0;t={"9" * 400}'}, RATE_LIMIT_WINDOW_S),
        ({"RateLimit": f'"api";r=0;t={"9" * 5000}'}, None),  # more digits than Python reads
        ({"Retry-After": "-17"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, None),
        ({}, None),
    ],
)
async def test_a_rate_limit_says_how_long_to_wait(
    scene: Scene, headers: dict[str, str], wait_s: float | None
) -> None:
    scene.hub.faults.append(Fault(LISTING, status=429, headers=headers))
    with pytest.raises(StoreUnavailable) as caught:
        await scene.fetch()
    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize(
    "fault",
    [
        Fault(LISTING, status=404, headers={"X-Error-Code": "RevisionNotFound"}),
        Fault(LISTING, status=401, headers=NOT_FOUND),
        Fault(LISTING, status=403),
        Fault(WEIGHTS, status=401, headers=NOT_FOUND),  # hidden while it was fetched
    ],
    ids=["no revision", "private", "forbidden", "hidden meanwhile"],
)
async def test_what_cannot_be_read_is_waited_for(scene: Scene, fault: Fault) -> None:
    scene.hub.faults.append(fault)
    with pytest.raises(ModelNotPublic):
        await scene.fetch()
    assert scene.is_whole(await scene.fetch())


async def test_a_gated_repository_is_the_miners_fault(scene: Scene) -> None:
    scene.hub.repositories["alice/model"].gated = True
    with pytest.raises(ModelRejected) as caught:
        await scene.fetch()
    assert caught.value.reason is Reason.GATED
    assert await scene.store().availability(scene.commitment.model) is Availability.PRIVATE


async def test_a_private_repository_that_our_token_can_read_is_still_not_public(
    scene: Scene,
) -> None:
    scene.hub.tokens["hf_validator"] = "alice"
    scene.hub.repositories["alice/model"].private = True
    with pytest.raises(ModelNotPublic):
        await scene.fetch()


async def test_t09_a_name_that_looks_like_a_commit_is_refused(scene: Scene) -> None:
    repository = scene.hub.repositories["alice/model"]
    repository.revisions["f" * 40] = repository.revisions[repository.head]
    repository.branches["f" * 40] = repository.head
    with pytest.raises(ModelRejected) as caught:
        await scene.store().fetch(no_hash("alice", "alice/model", "f" * 40), LIMITS)
    assert caught.value.reason is Reason.DIGEST_MISMATCH


async def test_t01_a_copied_hash_is_refused_before_the_weights_are_read(scene: Scene) -> None:
    copied = no_hash("mallory", "alice/model", scene.commitment.model.revision)
    with pytest.raises(ModelRejected) as caught:
        await scene.store().fetch(copied, LIMITS)
    assert caught.value.reason is Reason.DIGEST_MISMATCH
    assert scene.hub.file_bytes("model.safetensors") < 2 * 65_536  # its header


@pytest.mark.parametrize("v1", [False, True], ids=["v2", "v1"])
async def test_both_forms_of_hash_are_checked_against_the_files(scene: Scene, v1: bool) -> None:
    revision = scene.commitment.model.revision
    commitment = committed(scene.hub, "alice/model", revision, v1=v1)
    assert scene.is_whole(await scene.store().fetch(commitment, LIMITS))


async def test_weights_outside_lfs_are_checked_after_they_came(scene: Scene) -> None:
    files = {path: HubFile(file.data) for path, file in hub_files(scene.model).items()}
    revision = scene.hub.publish("bob/model", files)
    honest = committed(scene.hub, "bob/model", revision)
    with pytest.raises(ModelRejected) as caught:
        await scene.store("liar").fetch(no_hash("bob", "bob/model", revision), LIMITS)
    assert caught.value.reason is Reason.DIGEST_MISMATCH
    assert scene.is_whole(await scene.store().fetch(honest, LIMITS))


async def test_what_came_before_a_fault_is_not_asked_for_again(scene: Scene) -> None:
    fault = Fault(WEIGHTS, skip=1, status=503, times=None)  # the header comes
    scene.hub.faults.append(fault)
    with pytest.raises(StoreUnavailable):
        await scene.fetch()
    fault.times = 0
    assert scene.is_whole(await scene.fetch())
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        served = [s for s in scene.hub.served if s.path.endswith(name) and s.status == 206]
        assert sum(s.body_bytes for s in served) == (scene.model / name).stat().st_size


async def test_a_header_longer_than_the_first_bytes_is_read_to_its_end(
    scene: Scene, tmp_path: Path
) -> None:
    wide = write_model(tmp_path / "wide", size=8, shards=1, layers=1_000)
    commitment: Commitment = publish(scene.hub, "wide/model", wide)
    assert (await scene.store().fetch(commitment, LIMITS)).parameters > 4_000


async def test_files_on_another_server_are_fetched_without_showing_it_the_token(
    scene: Scene,
) -> None:
    scene.hub.cdn_url = scene.hub.url.replace("127.0.0.1", "localhost")
    assert scene.is_whole(await scene.fetch())
    assert any("/cdn/" in served.path for served in scene.hub.served)
    assert scene.hub.cdn_authorized == []


async def test_several_shards_arrive_whole(scene: Scene, tmp_path: Path) -> None:
    sharded = write_model(tmp_path / "sharded", size=64, shards=7)
    artifact = await scene.store().fetch(publish(scene.hub, "bob/model", sharded), LIMITS)
    for path in sharded.glob("*.safetensors*"):
        copy = Path(artifact.path) / path.name
        assert sha256(copy.read_bytes()).digest() == sha256(path.read_bytes()).digest()


async def test_two_calls_for_one_model_transfer_it_once(scene: Scene) -> None:
    store = scene.store()
    first, second = await asyncio.gather(*(store.fetch(scene.commitment, LIMITS) for _ in range(2)))
    assert first == second
    assert scene.hub.file_bytes("model.safetensors") == (
        (scene.model / "model.safetensors").stat().st_size
    )


async def test_a_tokenizer_comes_without_the_weights_beside_it(scene: Scene) -> None:
    ref = TokenizerRef(repo="alice/model", revision=scene.commitment.model.revision)
    folder = await scene.store().tokenizer(ref)
    assert names_in(folder) == ["config.json", "tokenizer.json"]
    assert scene.hub.file_bytes("safetensors") == 0


async def test_a_tokenizer_at_a_branch_is_that_of_its_newest_commit(scene: Scene) -> None:
    folder = await scene.store().tokenizer(TokenizerRef(repo="alice/model", revision="main"))
    assert names_in(folder) == ["config.json", "tokenizer.json"]
    assert all("/resolve/main/" not in served.path for served in scene.hub.served)


async def test_a_missing_tokenizer_is_nobodys_fault(scene: Scene) -> None:
    with pytest.raises(StoreUnavailable):
        await scene.store().tokenizer(TokenizerRef(repo="no/body", revision="0" * 40))


async def test_t40_a_quota_is_kept_and_eviction_makes_room(scene: Scene, tmp_path: Path) -> None:
    other = publish(scene.hub, "bob/model", write_model(tmp_path / "other", 2, size=128))
    size_bytes = (await scene.fetch("measure")).size_bytes
    store = scene.store("small", quota_bytes=size_bytes * 3 // 2)
    await store.fetch(scene.commitment, LIMITS)
    served = scene.hub.file_bytes("model.safetensors")
    with pytest.raises(StoreFull, match="quota"):
        await store.fetch(other, LIMITS)
    assert scene.hub.file_bytes("model.safetensors") - served < size_bytes  # its header at most
    assert await store.evict(keep=[other.model]) >= size_bytes
    assert (await store.fetch(other, LIMITS)).ref == other.model


@pytest.mark.fault("model hub", "slow")
@pytest.mark.fault("transfer", "will not die")
async def test_a_hub_that_hangs_is_given_up_at_the_deadline(hub: Hub) -> None:
    hub.faults.append(Fault(LISTING, delay_s=60.0))
    order = ProbeOrder(repo="alice/model", revision="0" * 40)
    with pytest.raises(StoreUnavailable, match="too slow"):
        await carry_out(Connection(endpoint=hub.url), order, timeout_s=0.05)


def test_a_token_does_not_show_where_a_connection_is_printed() -> None:
    assert "hf_secret" not in repr(Connection(token="hf_secret"))


async def test_offline_mode_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(StoreUnavailable, match="HF_HUB_OFFLINE"):
        await scene.fetch()
