"""Port: where miners publish models."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePath
from typing import Protocol

from sn37.domain.schedule.competition import BaseModelRef, TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.admission import Examined
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.digests import ModelHashes
from sn37.domain.submission.models import Availability, Inventory, ModelArtifact, ModelRef


class ModelStore(Protocol):
    """Fetch published models into a local cache and evict them again.

    All methods raise ``StoreUnavailable`` when the host does not answer.
    """

    async def fetch(self, commitment: Commitment, constraints: ModelConstraints) -> ModelArtifact:
        """Download one revision, check it, return its location.

        Cheapest checks first, each before the next one spends anything. Idempotent: a
        complete artifact is returned without asking the host. No code from the repository
        is executed.

        Raises:
            ModelRejected: The repository breaks a rule; ``digest_mismatch`` when its files
                are not those that this hotkey committed.
            ModelNotPublic: It is private or missing.
            StoreFull: There is no room for it; nothing was evicted on its behalf.
        """
        ...

    async def availability(self, ref: ModelRef) -> Availability:
        """Whether the public can read the committed revision now."""
        ...

    async def tokenizer(self, ref: TokenizerRef) -> PurePath:
        """Folder of a competition's tokenizer, fetched at its pinned revision."""
        ...

    async def base_model(self, ref: BaseModelRef, constraints: ModelConstraints) -> ModelArtifact:
        """A competition's base model, fetched at its pinned revision and admitted like any model.

        It stays, as tokenizers do. Whatever is wrong with it is ``StoreUnavailable``: the schedule
        names it, so no miner is to blame.
        """
        ...

    async def inventory(self, refs: Collection[ModelRef]) -> Inventory:
        """What of these models is on disk. Asks nobody outside and changes nothing."""
        ...

    async def evict(self, *, keep: Collection[ModelRef]) -> int:
        """Delete every cached artifact not in ``keep``; return bytes freed."""
        ...


class ModelExaminer(Protocol):
    """Look at revisions that nobody has committed to. Raises ``StoreUnavailable``."""

    async def examine(
        self, repo: str, revision: str, constraints: ModelConstraints, *, weights: bool
    ) -> Examined:
        """How far a revision comes in the admission. An admitted one stays until ``discard``.

        Args:
            weights: Whether to bring the weights; without, their headers are the last.
        """
        ...

    async def commit_of(self, repo: str, name: str) -> str:
        """The commit that a branch or tag points to now.

        Raises:
            ModelNotPublic: There is no such repository or name.
        """
        ...

    async def licence(self, repo: str, revision: str) -> str | None:
        """The identifier that the model card gives; ``None`` where it gives none.

        Raises:
            ModelNotPublic: The repository cannot be read.
        """
        ...

    def discard(self, repo: str, revision: str) -> None:
        """Remove what ``examine`` left."""
        ...


class ModelPublisher(Protocol):
    """Publish a miner's model: private first, public after the commitment."""

    async def upload(
        self, folder: PurePath, repo: str, constraints: ModelConstraints
    ) -> tuple[str, ModelHashes]:
        """Upload to a private repository; return (40-hex revision, model hashes).

        The hashes are those of what the host then holds. Uploading the same files again changes
        nothing and returns the same pair.

        Raises:
            ModelRejected: Validators would refuse the files in the competition that has these
                constraints, for this reason. Nothing has been sent.
            PublishRefused: The repository is somebody else's, or public already.
            StoreUnavailable: The host did not answer; nothing is lost by trying again.
        """
        ...

    async def make_public(self, repo: str) -> None:
        """Let everyone read the repository; repeating it changes nothing.

        Raises:
            PublishRefused: It is somebody else's, or does not exist.
            StoreUnavailable: The host did not answer.
        """
        ...
