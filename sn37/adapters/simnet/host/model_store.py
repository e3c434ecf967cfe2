"""Models fetched from the folder that stands for the model host."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeVar

from sn37.adapters.admission.admit import Admitted, Inspected, admit, hash_file, inspect
from sn37.adapters.admission.files import documentation, listing
from sn37.adapters.admission.stored_facts import (
    FILES,
    StoredFacts,
    cache_key,
    inventory_of,
    read_facts,
)
from sn37.adapters.folder_size import bytes_below
from sn37.adapters.simnet.host.half_written import own, sweep
from sn37.adapters.simnet.host.repositories import FolderRepositories
from sn37.domain.ids import Digest
from sn37.domain.schedule.competition import BaseModelRef, TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import Availability, Held, Inventory, ModelArtifact, ModelRef
from sn37.durable import rename_whole
from sn37.ports.errors import ModelNotPublic, ModelRejected, StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from sn37.ports.model_store import ModelStore

QUOTA_BYTES = 64 << 20  # of complete models: twice what the population's first round takes
_PARTIAL = "partial-"
_T = TypeVar("_T")


class FolderModelStore:
    """``ModelStore`` over a folder of repositories and a cache folder.

    ``<cache>/models/<key>/`` has ``files/`` and ``facts.json``. A rename makes it appear once
    everything has been checked, so a kill leaves nothing that looks complete. Files are copied
    and hashed in a thread: they are small and local, and a cancelled caller waits for at most one
    of them. All complete models together have at most ``quota_bytes``.
    """

    def __init__(self, repos: Path, cache: Path, *, quota_bytes: int = QUOTA_BYTES) -> None:
        self._repositories = FolderRepositories(repos)
        self._models = cache / "models"
        self._tokenizers = cache / "tokenizers"
        self._bases = cache / "bases"
        self._quota_bytes = quota_bytes
        self._under_way: set[Path] = set()  # partial folders that a thread is filling

    async def fetch(self, commitment: Commitment, constraints: ModelConstraints) -> ModelArtifact:
        """See ``ModelStore.fetch``."""
        return await _in_thread(lambda: self._fetch(commitment, constraints))

    async def availability(self, ref: ModelRef) -> Availability:
        """See ``ModelStore.availability``."""
        folder = await _in_thread(lambda: self._repositories.public_files(ref))
        return Availability.PRIVATE if folder is None else Availability.PUBLIC

    async def tokenizer(self, ref: TokenizerRef) -> PurePath:
        """See ``ModelStore.tokenizer``."""
        return await _in_thread(lambda: self._tokenizer(ref))

    async def base_model(self, ref: BaseModelRef, constraints: ModelConstraints) -> ModelArtifact:
        """See ``ModelStore.base_model``."""
        return await _in_thread(lambda: self._base_model(ref, constraints))

    async def inventory(self, refs: Collection[ModelRef]) -> Inventory:
        """See ``ModelStore.inventory``."""
        return await _in_thread(lambda: self._inventory(refs))

    async def evict(self, *, keep: Collection[ModelRef]) -> int:
        """See ``ModelStore.evict``."""
        kept = {_key(ref) for ref in keep}
        return await _in_thread(lambda: self._evict(kept))

    def _fetch(self, commitment: Commitment, constraints: ModelConstraints) -> ModelArtifact:
        ref = commitment.model
        home = self._models / _key(ref)
        facts = read_facts(home)
        if facts is None:
            source = self._repositories.public_files(ref)
            if source is None:
                raise ModelNotPublic(f"{ref.repo} cannot be read at {ref.revision[:12]}")
            facts = self._copy(source, home, commitment, constraints)
        return facts.artifact(commitment, constraints, home)

    def _copy(
        self, source: Path, home: Path, commitment: Commitment, constraints: ModelConstraints
    ) -> StoredFacts:
        self._require_room(inspect(source, constraints))
        self._models.mkdir(parents=True, exist_ok=True)
        sweep(self._models, _PARTIAL)
        partial = Path(tempfile.mkdtemp(prefix=own(_PARTIAL), dir=self._models))
        self._under_way.add(partial)
        try:
            files = partial / FILES
            files.mkdir()
            facts = _facts(admit(source, constraints, copy_to=files), source)
            facts.artifact(
                commitment, constraints, partial
            )  # raises if it is refused; then it is not kept
            facts.write(partial)
            if read_facts(home) is None:  # two callers may fetch the same model
                rename_whole(partial, home)
            return facts
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            self._under_way.discard(partial)

    def _require_room(self, inspected: Inspected) -> None:
        size_bytes = sum(file.size_bytes for file in inspected.files)
        held_bytes = sum(held.size_bytes for held in self._held().values() if held.complete)
        if held_bytes + size_bytes > self._quota_bytes:
            raise StoreFull(
                f"the model has {size_bytes:,} bytes, models on disk {held_bytes:,} of "
                f"{self._quota_bytes:,}"
            )

    def _tokenizer(self, ref: TokenizerRef) -> PurePath:
        pinned = ModelRef(repo=ref.repo, revision=ref.revision, secure_hash=Digest(""))
        home = self._tokenizers / _key(pinned)
        if not home.is_dir():
            source = self._repositories.public_files(pinned)
            if source is None:
                raise StoreUnavailable(f"tokenizer {ref.repo} at {ref.revision[:12]} is missing")
            self._tokenizers.mkdir(parents=True, exist_ok=True)
            sweep(self._tokenizers, _PARTIAL)
            with tempfile.TemporaryDirectory(prefix=own(_PARTIAL), dir=self._tokenizers) as partial:
                shutil.copytree(source, Path(partial) / FILES)
                if not home.is_dir():
                    rename_whole(Path(partial) / FILES, home)
        return PurePath(home)

    def _base_model(self, ref: BaseModelRef, constraints: ModelConstraints) -> ModelArtifact:
        pinned = ModelRef(repo=ref.repo, revision=ref.revision, secure_hash=Digest(""))
        home = self._bases / _key(pinned)
        facts = read_facts(home)
        if facts is None:
            source = self._repositories.public_files(pinned)
            if source is None:
                raise StoreUnavailable(f"base model {ref.repo} at {ref.revision[:12]} is missing")
            facts = self._copy_base(ref, source, home, constraints)
        return facts.base_artifact(ref, constraints, home)

    def _copy_base(
        self, ref: BaseModelRef, source: Path, home: Path, constraints: ModelConstraints
    ) -> StoredFacts:
        self._bases.mkdir(parents=True, exist_ok=True)
        sweep(self._bases, _PARTIAL)
        partial = Path(tempfile.mkdtemp(prefix=own(_PARTIAL), dir=self._bases))
        try:
            files = partial / FILES
            files.mkdir()
            facts = _facts(admit(source, constraints, copy_to=files), source)
            facts.write(partial)
            if read_facts(home) is None:  # two callers may fetch the same model
                rename_whole(partial, home)
            return facts
        except ModelRejected as error:  # the schedule names it: no miner is to blame
            raise StoreUnavailable(f"base model {ref.repo}: {error}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _inventory(self, refs: Collection[ModelRef]) -> Inventory:
        return inventory_of(self._held(), refs, quota_bytes=self._quota_bytes, folder=self._models)

    def _held(self) -> dict[str, Held]:
        homes = list(self._models.iterdir()) if self._models.is_dir() else []
        return {
            home.name: Held(
                size_bytes=bytes_below(home),
                complete=not home.name.startswith(_PARTIAL),
            )
            for home in homes
        }

    def _evict(self, kept: set[str]) -> int:
        if not self._models.is_dir():
            return 0
        freed = 0
        for folder in list(self._models.iterdir()):
            if folder.name in kept or folder in self._under_way:
                continue
            if not folder.name.startswith(_PARTIAL):
                # Renamed first: a kill in the middle must not leave half an artifact.
                folder = folder.rename(self._models / f"{own(_PARTIAL)}{folder.name}")
            freed += bytes_below(folder)
            shutil.rmtree(folder, ignore_errors=True)  # a fetch may have finished it meanwhile
        return freed


def store_of(state_dir: Path) -> FolderModelStore:
    """Return the store of the world in a state directory, which need not exist."""
    root = state_dir.absolute() / "simnet"
    return FolderModelStore(root / "repos", root / "cache")


def _facts(admitted: Admitted, source: Path) -> StoredFacts:
    documents = documentation(listing(source))
    return StoredFacts.of(admitted, {d.path: hash_file(source, d).sha256 for d in documents})


def _key(ref: ModelRef) -> str:
    return cache_key(ref.repo, ref.revision)


async def _in_thread(work: Callable[[], _T]) -> _T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise StoreUnavailable(f"the model folder does not answer: {error}") from error


if TYPE_CHECKING:
    _store: ModelStore = FolderModelStore(Path(), Path())
