"""The model host in a folder, its store and its publisher, under their contracts and attack."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from sn37.adapters.admission.admit import admit, hash_file
from sn37.adapters.admission.digest import FileHasher
from sn37.adapters.admission.files import documentation, listing
from sn37.adapters.simnet.host.half_written import own, sweep
from sn37.adapters.simnet.host.model_store import FolderModelStore
from sn37.adapters.simnet.host.publisher import FolderPublisher
from sn37.adapters.simnet.host.repositories import FolderRepositories, Visibility
from sn37.adapters.simnet.miners.attackers import Tensor, read_tensors, write_sharded, write_tensors
from sn37.domain.ids import Digest, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import Commitment, secure_hash
from sn37.domain.submission.digests import FileDigest, content_digest, directory_hash
from sn37.domain.submission.models import Availability, ModelRef
from sn37.ports.errors import ModelNotPublic, ModelRejected, StoreFull, StoreUnavailable
from sn37.testing.builders.models import a_commitment, some_constraints
from sn37.testing.model_publisher_contract import ModelPublisherContract
from sn37.testing.model_store_contract import ModelStoreContract

LIMITS = some_constraints(min_parameters=1, max_parameters=1_000, max_bytes=20_000)
REVISION = "0123456789" * 4


def write_model(folder: Path, fill: int = 1, *, size: int = 16, **config: object) -> Path:
    """A folder as a miner would upload it; the weights depend on ``fill``."""
    folder.mkdir(parents=True)
    tensors = [
        Tensor(name=name, dtype="BF16", shape=(size, 2), data=bytes([fill]) * size * 4)
        for name in ("model.embed_tokens.weight", "model.norm.weight")
    ]
    write_tensors(folder / "model.safetensors", tensors)
    family = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    settings = {**family, "hidden_size": 2, "num_attention_heads": 1, **config}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "tokenizer.json").write_text("{}")
    return folder


class Host:
    """Repositories below a folder, and commitments to what was pushed there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repositories = FolderRepositories(root / "repos")

    def store(self, cache: str = "cache") -> FolderModelStore:
        return FolderModelStore(self.root / "repos", self.root / cache)

    def push(
        self,
        owner: str,
        folder: Path,
        *,
        v1: bool = False,
        documented: bool = True,
        public: bool = True,
    ) -> Commitment:
        """Push as ``owner``, who commits to the very files."""
        repo = f"{owner}/model"
        revision = self.repositories.push(repo, folder)
        if public:
            self.repositories.set_visibility(repo, Visibility.PUBLIC)
        hashed = [hash_file(folder, file) for file in listing(folder)]
        documents = {file.path for file in documentation(listing(folder))}
        files = [f for f in hashed if f.path not in documents]
        model_hash = (
            directory_hash({f.path: f.sha256 for f in (hashed if documented else files)})
            if v1
            else content_digest(FileDigest(f.path, f.size_bytes, f.sha256) for f in files)
        )
        ref = ModelRef(
            repo=repo, revision=revision, secure_hash=secure_hash(model_hash, Hotkey(owner))
        )
        form = CommitmentFormat.V1 if v1 else CommitmentFormat.V2
        return a_commitment(owner, model=ref, format=form)

    def pretend(self, owner: str, folder: Path) -> Commitment:
        """Push a folder that cannot even be hashed, with a hash of nothing."""
        repo = f"{owner}/model"
        revision = self.repositories.push(repo, folder)
        self.repositories.set_visibility(repo, Visibility.PUBLIC)
        ref = ModelRef(repo=repo, revision=revision, secure_hash=Digest("x"))
        return a_commitment(owner, model=ref)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


class TestFolderModelStore(ModelStoreContract):
    @pytest.fixture(autouse=True)
    def _host(self, host: Host, tmp_path: Path) -> None:
        self.host = host
        self.caches = 0
        good = write_model(tmp_path / "good")
        self._published = host.push("alice", good)
        self._other = host.push("bob", write_model(tmp_path / "other", 2))
        self._private = host.push("carol", write_model(tmp_path / "hidden", 3), public=False)
        wide = write_model(tmp_path / "wide", size=400)
        heavy = write_model(tmp_path / "heavy")
        (heavy / "vocab.json").write_bytes(b"{}" + b" " * 20_000)
        pickled = write_model(tmp_path / "pickled")
        (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
        torn = write_model(tmp_path / "torn")
        with (torn / "model.safetensors").open("ab") as file:
            file.write(b"more")
        foreign = write_model(tmp_path / "foreign", architectures=["MambaForCausalLM"])
        code = write_model(tmp_path / "code", auto_map={"AutoModel": "x.Y"})
        lied = host.push("liar", good)
        self._faulty = {
            Reason.PARAMETERS: host.push("wide", wide),
            Reason.TOO_LARGE: host.push("heavy", heavy),
            Reason.UNSAFE_FILE: host.push("pickled", pickled),
            Reason.BAD_HEADER: host.pretend("torn", torn),
            Reason.ARCHITECTURE: host.push("foreign", foreign),
            Reason.BAD_CONFIG: host.push("code", code),
            Reason.DIGEST_MISMATCH: replace(
                lied, model=replace(lied.model, secure_hash=Digest("A" * 43 + "="))
            ),
        }
        host.repositories.push("simnet/base", good, revision=REVISION)
        host.repositories.set_visibility("simnet/base", Visibility.PUBLIC)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[FolderModelStore]:
        self.caches += 1
        yield self.host.store(f"cache-{self.caches}")

    def silence(self, store: FolderModelStore) -> None:  # type: ignore[override]
        (self.host.root / "repos").rename(self.host.root / "gone")

    def constraints(self) -> ModelConstraints:
        return LIMITS

    def published(self) -> Commitment:
        return self._published

    def other(self) -> Commitment:
        return self._other

    def private(self) -> Commitment:
        return self._private

    def copied(self) -> Commitment:
        return replace(self._published, hotkey=Hotkey("thief"))

    def faulty(self) -> Mapping[Reason, Commitment]:
        return self._faulty

    def tokenizer_ref(self) -> TokenizerRef:
        return TokenizerRef(repo="simnet/base", revision=REVISION)


class TestFolderPublisher(ModelPublisherContract):
    @pytest.fixture(autouse=True)
    def _folders(self, tmp_path: Path) -> None:
        self.root = tmp_path
        self.good = write_model(tmp_path / "good")
        self.bad = write_model(tmp_path / "bad")
        (self.bad / "modeling.py").write_text("import os")
        (tmp_path / "repos").mkdir()

    @asynccontextmanager
    async def publisher(self) -> AsyncIterator[FolderPublisher]:
        yield FolderPublisher(self.root / "repos")

    def silence(self, publisher: FolderPublisher) -> None:  # type: ignore[override]
        (self.root / "repos").rename(self.root / "gone")
        (self.root / "repos").write_text("a file where the folder was")

    def folder(self) -> PurePath:
        return self.good

    def bad_folder(self) -> PurePath:
        return self.bad

    def repo(self) -> str:
        return "alice/model"

    def constraints(self) -> ModelConstraints:
        return LIMITS

    async def exists(self, publisher: FolderPublisher, repo: str) -> bool:  # type: ignore[override]
        return FolderRepositories(self.root / "repos").visibility(repo) is not None

    async def is_public(self, publisher: FolderPublisher, repo: str) -> bool:  # type: ignore[override]
        return FolderRepositories(self.root / "repos").visibility(repo) is Visibility.PUBLIC


@pytest.mark.parametrize("form", CommitmentFormat)
async def test_what_is_published_can_be_fetched_with_the_hash_that_upload_returned(
    form: CommitmentFormat, host: Host, tmp_path: Path
) -> None:
    (tmp_path / "repos").mkdir()
    publisher = FolderPublisher(tmp_path / "repos")
    revision, hashes = await publisher.upload(write_model(tmp_path / "mine"), "alice/model", LIMITS)
    await publisher.make_public("alice/model")
    ref = ModelRef(
        repo="alice/model",
        revision=revision,
        secure_hash=secure_hash(hashes.bound_by(form), Hotkey("alice")),
    )
    commitment = a_commitment("alice", model=ref, format=form)
    artifact = await host.store().fetch(commitment, LIMITS)
    assert artifact.content_digest == hashes.bound_by(form)


async def test_the_folder_holds_the_admitted_files_and_nothing_else(
    host: Host, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "README.md").write_text("hello")
    artifact = await host.store().fetch(host.push("alice", folder), LIMITS)
    names = [file.path for file in listing(Path(artifact.path))]
    assert names == ["config.json", "model.safetensors", "tokenizer.json"]


@pytest.mark.parametrize("documented", [True, False])
async def test_a_v1_directory_hash_may_cover_documentation_or_leave_it_out(
    documented: bool, host: Host, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model")
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs")
    commitment = host.push("alice", folder, v1=True, documented=documented)
    artifact = await host.store().fetch(commitment, LIMITS)
    assert secure_hash(artifact.content_digest, Hotkey("alice")) == commitment.model.secure_hash


async def test_t04_resharding_renaming_and_editing_leave_the_tensor_digest(
    host: Host, tmp_path: Path
) -> None:
    store = host.store()
    original = await store.fetch(host.push("alice", write_model(tmp_path / "a")), LIMITS)
    sharded = write_model(tmp_path / "b")
    first, second = read_tensors(sharded / "model.safetensors")
    (sharded / "model.safetensors").unlink()
    write_sharded(sharded, {"x.safetensors": [second], "y.safetensors": [first]})
    edited = write_model(tmp_path / "c", use_cache=False)
    for name, folder in (("bob", sharded), ("carol", edited)):
        clone = await store.fetch(host.push(name, folder), LIMITS)
        assert clone.tensor_digest == original.tensor_digest
        assert clone.content_digest != original.content_digest


@pytest.mark.parametrize(
    "change",
    [
        lambda t: replace(t, name="other"),
        lambda t: replace(t, dtype="F16"),
        lambda t: replace(t, shape=(2, 16)),
        lambda t: replace(t, data=b"\x02" + t.data[1:]),
    ],
    ids=["name", "dtype", "shape", "bytes"],
)
def test_t04_the_tensor_digest_depends_on_name_dtype_shape_and_bytes(
    tmp_path: Path, change: Callable[[Tensor], Tensor]
) -> None:
    before = admit(write_model(tmp_path / "a"), LIMITS).tensor_digest
    folder = write_model(tmp_path / "b")
    first, second = read_tensors(folder / "model.safetensors")
    write_tensors(folder / "model.safetensors", [change(first), second])
    assert admit(folder, LIMITS).tensor_digest != before


def test_digests_do_not_depend_on_how_the_bytes_arrive(tmp_path: Path) -> None:
    path = write_model(tmp_path / "a") / "model.safetensors"
    data = path.read_bytes()
    whole = hash_file(path.parent, listing(path.parent)[1])
    for step in (1, 7, 64):
        hasher = FileHasher(path.name, len(data))
        for start in range(0, len(data), step):
            hasher.update(data[start : start + step])
        assert hasher.finish() == whole


def test_t38_a_file_of_another_size_than_listed_is_refused() -> None:
    short = FileHasher("config.json", 3)
    short.update(b"{}")
    with pytest.raises(ModelRejected):
        short.finish()
    with pytest.raises(ModelRejected):
        FileHasher("config.json", 1).update(b"{}")


def test_t11_an_index_that_does_not_match_its_shards_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "a")
    first, second = read_tensors(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    write_sharded(folder, {"x.safetensors": [first], "y.safetensors": [second]})
    index = folder / "model.safetensors.index.json"
    document = json.loads(index.read_text())
    document["weight_map"].pop(first.name)
    index.write_text(json.dumps(document))
    with pytest.raises(ModelRejected) as caught:
        admit(folder, LIMITS)
    assert caught.value.reason is Reason.BAD_HEADER


def test_a_tensor_in_two_shards_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "a")
    first, _ = read_tensors(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    write_sharded(folder, {"x.safetensors": [first], "y.safetensors": [first]})
    with pytest.raises(ModelRejected, match="two shards"):
        admit(folder, LIMITS)


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
async def test_t22_what_is_no_regular_file_is_refused(
    host: Host, tmp_path: Path, kind: str
) -> None:
    revision = host.pretend("alice", write_model(tmp_path / "a"))
    home = host.root / "repos/alice/model" / revision.model.revision
    odd = home / "vocab.json"
    if kind == "link":
        odd.symlink_to("/etc/passwd")
    elif kind == "folder":
        odd.mkdir()
    else:
        os.mkfifo(odd)  # opening it would block for ever
    with pytest.raises(ModelRejected) as caught:
        await host.store().fetch(revision, LIMITS)
    assert caught.value.reason is Reason.UNSAFE_FILE


@pytest.mark.parametrize("repo", ["../../etc/x", "a", "a/b/c", "a/..", "/a/b", "", "a/.hidden"])
async def test_t22_an_impossible_repository_name_is_not_public(host: Host, repo: str) -> None:
    (host.root / "repos").mkdir()
    commitment = a_commitment(model=ModelRef(repo=repo, revision=REVISION, secure_hash=Digest("")))
    with pytest.raises(ModelNotPublic):
        await host.store().fetch(commitment, LIMITS)


async def test_t28_a_repository_made_private_or_deleted_is_no_longer_available(
    host: Host, tmp_path: Path
) -> None:
    commitment = host.push("alice", write_model(tmp_path / "a"))
    store = host.store()
    for visibility in (Visibility.PRIVATE, Visibility.DELETED):
        host.repositories.set_visibility("alice/model", visibility)
        assert await store.availability(commitment.model) is Availability.PRIVATE
        with pytest.raises(ModelNotPublic):
            await store.fetch(commitment, LIMITS)


async def test_a_cached_model_still_has_to_satisfy_the_constraints(
    host: Host, tmp_path: Path
) -> None:
    commitment, store = host.push("alice", write_model(tmp_path / "a")), host.store()
    await store.fetch(commitment, LIMITS)
    with pytest.raises(ModelRejected) as caught:
        await store.fetch(commitment, replace(LIMITS, max_parameters=10))
    assert caught.value.reason is Reason.PARAMETERS


async def test_a_model_whose_record_was_torn_by_a_power_failure_is_fetched_again(
    host: Host, tmp_path: Path
) -> None:
    commitment = host.push("alice", write_model(tmp_path / "model"))
    first = await host.store().fetch(commitment, LIMITS)
    (record,) = (host.root / "cache" / "models").glob("*/facts.json")
    record.write_bytes(b"")
    assert await host.store().fetch(commitment, LIMITS) == first


async def test_a_refused_model_leaves_nothing_in_the_cache(host: Host, tmp_path: Path) -> None:
    commitment, store = host.push("alice", write_model(tmp_path / "a")), host.store()
    with pytest.raises(ModelRejected):
        await store.fetch(replace(commitment, hotkey=Hotkey("thief")), LIMITS)
    assert list((host.root / "cache/models").iterdir()) == []


async def test_a_full_quota_is_told_and_evicting_makes_room(host: Host, tmp_path: Path) -> None:
    first, second = (host.push(n, write_model(tmp_path / n, i)) for i, n in enumerate("ab"))
    artifact = await host.store().fetch(first, LIMITS)
    quota = artifact.size_bytes + 1
    store = FolderModelStore(host.root / "repos", host.root / "cache", quota_bytes=quota)
    with pytest.raises(StoreFull, match=f"of {quota:,}"):
        await store.fetch(second, LIMITS)
    assert (await store.inventory([first.model])).quota_bytes == quota
    await store.evict(keep=[])
    assert await store.fetch(second, LIMITS) != artifact


def test_what_dead_processes_left_is_swept_and_what_living_ones_write_is_not(
    tmp_path: Path,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine, theirs = (tmp_path / f"{own('partial-')}x", tmp_path / f"partial-{ended.pid}-x")
    for folder in (mine, theirs):
        folder.mkdir()
    (tmp_path / f"partial-{ended.pid}-file").touch()
    (tmp_path / "partial-of somebody else").touch()
    sweep(tmp_path, "partial-")
    assert {p.name for p in tmp_path.iterdir()} == {mine.name, "partial-of somebody else"}


def test_a_push_that_fails_leaves_nothing_behind(host: Host, tmp_path: Path) -> None:
    os.mkfifo(write_model(tmp_path / "a") / "pipe")  # which cannot be copied
    with pytest.raises(OSError, match="pipe"):
        host.repositories.push("alice/model", tmp_path / "a", revision=REVISION)
    assert list((host.root / "repos/alice/model").iterdir()) == []


async def test_a_missing_tokenizer_is_our_problem_not_the_miners(host: Host) -> None:
    (host.root / "repos").mkdir()
    with pytest.raises(StoreUnavailable):
        await host.store().tokenizer(TokenizerRef(repo="simnet/base", revision=REVISION))


_FETCH_AND_DIE = """
import asyncio, os, pickle, signal, sys
from pathlib import Path
from sn37.adapters.admission import admit
from sn37.adapters.simnet.host.model_store import FolderModelStore

root, number = Path(sys.argv[1]), int(sys.argv[2])
real, calls = admit.hash_file, 0

def dying(*args, **kwargs):
    global calls
    calls += 1
    result = real(*args, **kwargs)
    if calls == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

admit.hash_file = dying
commitment, limits = pickle.loads(bytes.fromhex(sys.argv[3]))
asyncio.run(FolderModelStore(root / "repos", root / "cache").fetch(commitment, limits))
"""


@pytest.mark.parametrize("after_files", [1, 2, 3])
def test_a_kill_during_a_fetch_leaves_nothing_that_looks_complete(
    host: Host, tmp_path: Path, after_files: int
) -> None:
    commitment = host.push("alice", write_model(tmp_path / "a"))
    payload = pickle.dumps((commitment, LIMITS)).hex()
    done = subprocess.run(
        [sys.executable, "-c", _FETCH_AND_DIE, str(tmp_path), str(after_files), payload],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == -signal.SIGKILL
    assert [p.name[:8] for p in (tmp_path / "cache/models").iterdir()] == ["partial-"]

    async def again() -> None:
        store = host.store()
        artifact = await store.fetch(commitment, LIMITS)
        assert artifact.parameters == 64
        assert len(list((tmp_path / "cache/models").iterdir())) == 1  # what was left is gone
        assert await store.fetch(commitment, LIMITS) == artifact

    asyncio.run(again())


def test_pushing_again_changes_nothing_and_new_files_are_a_new_revision(
    host: Host, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "a")
    first = host.repositories.push("alice/model", folder)
    assert host.repositories.push("alice/model", folder) == first
    (folder / "config.json").write_text("{}")
    assert host.repositories.push("alice/model", folder) != first


def test_a_push_without_a_sensible_name_or_revision_is_refused(host: Host, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "a")
    with pytest.raises(ValueError, match="namespace/name"):
        host.repositories.push("../up", folder)
    with pytest.raises(ValueError, match="40 hex"):
        host.repositories.push("alice/model", folder, revision="main")
