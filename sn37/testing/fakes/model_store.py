"""Model host in memory, for validators and for miners."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

from sn37.domain.ids import Digest, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import BaseModelRef, TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.digests import ModelHashes
from sn37.domain.submission.models import Availability, Held, Inventory, ModelArtifact, ModelRef
from sn37.ports.errors import ModelNotPublic, ModelRejected, StoreFull, StoreUnavailable
from sn37.testing.builders import a_revision, an_artifact, base64_digest

if TYPE_CHECKING:
    from sn37.ports.model_store import ModelPublisher, ModelStore

ALLOWED_SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja"})


@dataclass(slots=True)
class FakeModelStore:
    """Store of revisions that tests publish; private and unknown ones are not public.

    ``rejections`` sets the fault that an inspection of a revision's files finds.
    """

    failures: list[Exception] = field(default_factory=list)  # raised once each
    outages: dict[str, int] = field(default_factory=dict)  # by repository: fetches that fail
    rejections: dict[str, Reason] = field(default_factory=dict)  # by revision
    private: set[str] = field(default_factory=set)  # repositories
    cached: dict[tuple[Hotkey, ModelRef], ModelArtifact] = field(default_factory=dict)
    downloads: list[ModelRef] = field(default_factory=list)  # each fetch that asked the host
    max_models: int | None = None  # number of models that fit on disk
    quota_bytes: int | None = None
    slow: set[str] = field(default_factory=set)  # repositories whose transfer never ends
    bases: dict[str, ModelArtifact] = field(default_factory=dict)  # on disk, by repository
    base_failures: list[Exception] = field(default_factory=list)  # raised once each
    most_bytes: int = 0  # peak size of the cache
    _published: dict[tuple[str, str], tuple[Hotkey, ModelArtifact]] = field(default_factory=dict)

    def publish(
        self, commitment: Commitment, artifact: ModelArtifact | None = None
    ) -> ModelArtifact:
        """Put the files of ``commitment`` on the host, bound to its hotkey."""
        artifact = artifact or an_artifact(commitment)
        ref = commitment.model
        self._published[ref.repo, ref.revision] = (commitment.hotkey, artifact)
        return artifact

    async def fetch(self, commitment: Commitment, constraints: ModelConstraints) -> ModelArtifact:
        ref = commitment.model
        if (commitment.hotkey, ref) in self.cached:
            return self.cached[commitment.hotkey, ref]
        self._maybe_fail()
        if self.outages.get(ref.repo):
            self.outages[ref.repo] -= 1
            raise StoreUnavailable(f"{ref.repo}: no answer")
        if not self._readable(ref):
            raise ModelNotPublic(f"{ref.repo} cannot be read")
        hotkey, artifact = self._published[ref.repo, ref.revision]
        reason = self.rejections.get(ref.revision) or _fault(artifact, constraints)
        if reason is None and (hotkey, artifact.ref) != (commitment.hotkey, ref):
            reason = Reason.DIGEST_MISMATCH
        if reason is not None:
            raise ModelRejected(f"{ref.repo}: {reason.meaning}", reason=reason)
        if self.max_models is not None and len(self.cached) >= self.max_models:
            raise StoreFull(f"no room for more than {self.max_models} models")
        used_bytes = sum(a.size_bytes for a in self.cached.values()) + artifact.size_bytes
        if self.quota_bytes is not None and used_bytes > self.quota_bytes:
            raise StoreFull(f"no room for more than {self.quota_bytes} bytes")
        self.downloads.append(ref)
        if ref.repo in self.slow:
            await asyncio.get_running_loop().create_future()
        self.cached[commitment.hotkey, ref] = artifact
        self.most_bytes = max(self.most_bytes, used_bytes)
        return artifact

    async def availability(self, ref: ModelRef) -> Availability:
        self._maybe_fail()
        return Availability.PUBLIC if self._readable(ref) else Availability.PRIVATE

    async def tokenizer(self, ref: TokenizerRef) -> PurePath:
        self._maybe_fail()
        return PurePosixPath("/cache/tokenizers") / ref.repo / ref.revision

    async def base_model(self, ref: BaseModelRef, constraints: ModelConstraints) -> ModelArtifact:
        artifact = self.bases.get(ref.repo)
        if artifact is None:
            self._maybe_fail()
            if self.base_failures:
                raise self.base_failures.pop(0)
            pointer = ModelRef(repo=ref.repo, revision=ref.revision, secure_hash=Digest(""))
            if not self._readable(pointer):
                raise StoreUnavailable(f"base model {ref.repo} cannot be read")
            _, published = self._published[ref.repo, ref.revision]
            artifact = self.bases[ref.repo] = replace(published, ref=pointer)
        reason = self.rejections.get(ref.revision) or _fault(artifact, constraints)
        if reason is not None:
            raise StoreUnavailable(f"base model {ref.repo}: {reason.meaning}")
        if ref.tensor_digest not in (None, artifact.tensor_digest):
            raise StoreUnavailable(f"base model {ref.repo} has other weights")
        return artifact

    async def inventory(self, refs: Collection[ModelRef]) -> Inventory:
        held = {ref: artifact.size_bytes for (_, ref), artifact in self.cached.items()}
        return Inventory(
            held={ref: Held(size_bytes=held[ref], complete=True) for ref in refs if ref in held},
            other_bytes=sum(size for ref, size in held.items() if ref not in refs),
            quota_bytes=self.quota_bytes,
            free_bytes=0,
        )

    async def evict(self, *, keep: Collection[ModelRef]) -> int:
        self._maybe_fail()
        gone = [(hotkey, ref) for hotkey, ref in self.cached if ref not in keep]
        return sum(self.cached.pop(key).size_bytes for key in gone)

    def _readable(self, ref: ModelRef) -> bool:
        return (ref.repo, ref.revision) in self._published and ref.repo not in self.private

    def _maybe_fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


def _fault(artifact: ModelArtifact, constraints: ModelConstraints) -> Reason | None:
    if artifact.size_bytes > constraints.max_bytes:
        return Reason.TOO_LARGE
    if artifact.architecture not in constraints.architectures:
        return Reason.ARCHITECTURE
    if not constraints.min_parameters <= artifact.parameters <= constraints.max_parameters:
        return Reason.PARAMETERS
    return None


def _digest(folder: PurePath, max_bytes: int) -> str:
    content, size_bytes = sha256(), 0
    for file in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        if file.suffix not in ALLOWED_SUFFIXES:
            raise ModelRejected(f"{file.name} is never read", reason=Reason.UNSAFE_FILE)
        content.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
        size_bytes += file.stat().st_size
    if size_bytes > max_bytes:
        raise ModelRejected(f"{size_bytes} bytes", reason=Reason.TOO_LARGE)
    return content.hexdigest()


@dataclass(slots=True)
class FakePublisher:
    """Publisher that remembers each repository's last upload and whether it is public."""

    failures: list[Exception] = field(default_factory=list)  # raised once each
    uploads: dict[str, tuple[str, ModelHashes]] = field(default_factory=dict)  # by repository
    public: set[str] = field(default_factory=set)

    async def upload(
        self, folder: PurePath, repo: str, constraints: ModelConstraints
    ) -> tuple[str, ModelHashes]:
        self._maybe_fail()
        digest = _digest(folder, constraints.max_bytes)
        hashes = ModelHashes(v1=base64_digest(f"v1 {digest}"), v2=base64_digest(digest))
        self.uploads[repo] = (a_revision(f"{repo} {digest}"), hashes)
        return self.uploads[repo]

    async def make_public(self, repo: str) -> None:
        self._maybe_fail()
        self.public.add(repo)

    def _maybe_fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


if TYPE_CHECKING:
    _store: ModelStore = FakeModelStore()
    _publisher: ModelPublisher = FakePublisher()
