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

        Checks run from the cheapest to the most expensive, and the first failure ends them.
        Idempotent: a complete artifact is returned without asking the host. No code from the
        repository is executed.

        Raises:
            ModelRejected: The repository breaks a rule; ``digest_mismatch`` when its files
                differ from those that this hotkey committed.
            ModelNotPublic: It is private or missing.
            StoreFull: Quota or disk lack room for it; nothing was evicted to make room.
        """
        ...

    async def availability(self, ref: ModelRef) -> Availability:
        """Return whether the public can read the committed revision now."""
        ...

    async def tokenizer(self, ref: TokenizerRef) -> PurePath:
        """Return the folder of a competition's tokenizer, fetched at its pinned revision."""
        ...

    async def base_model(self, ref: BaseModelRef, constraints: ModelConstraints) -> ModelArtifact:
        """Fetch a competition's base model at its pinned revision and check it like any model.

        It is never evicted, like tokenizers. Every problem with it is ``StoreUnavailable``: the
        schedule names it, so no miner is at fault.
        """
        ...

    async def inventory(self, refs: Collection[ModelRef]) -> Inventory:
        """Return which parts of these models are on disk. No network access, no changes."""
        ...

    async def evict(self, *, keep: Collection[ModelRef]) -> int:
        """Delete every cached artifact that is not in ``keep``; return the bytes freed."""
        ...


class ModelExaminer(Protocol):
    """Check revisions that nobody has committed to. Raises ``StoreUnavailable``."""

    async def examine(
        self, repo: str, revision: str, constraints: ModelConstraints, *, weights: bool
    ) -> Examined:
        """Run the admission checks on a revision; return how far it gets.

        An admitted revision stays on disk until ``discard``.

        Args:
            weights: Whether to download the weights; without, the checks end at their headers.
        """
        ...

    async def commit_of(self, repo: str, name: str) -> str:
        """Return the commit that a branch or tag points to now.

        Raises:
            ModelNotPublic: The repository or the name does not exist.
        """
        ...

    async def licence(self, repo: str, revision: str) -> str | None:
        """Return the licence identifier of the model card, or ``None`` if it gives none.

        Raises:
            ModelNotPublic: The repository cannot be read.
        """
        ...

    def discard(self, repo: str, revision: str) -> None:
        """Remove the files that ``examine`` left."""
        ...


class ModelPublisher(Protocol):
    """Publish a miner's model: private first, public after the commitment."""

    async def upload(
        self, folder: PurePath, repo: str, constraints: ModelConstraints
    ) -> tuple[str, ModelHashes]:
        """Upload to a private repository; return (40-hex revision, model hashes).

        The hashes are of the files that the host then holds. Uploading the same files again
        changes nothing and returns the same pair.

        Raises:
            ModelRejected: Validators would refuse the files in the competition that has these
                constraints, for this reason. Nothing was sent.
            PublishRefused: The repository belongs to another account, or is already public.
            StoreUnavailable: The host did not answer; it is safe to try again.
        """
        ...

    async def make_public(self, repo: str) -> None:
        """Let everyone read the repository; repeating it changes nothing.

        Raises:
            PublishRefused: It belongs to another account, or does not exist.
            StoreUnavailable: The host did not answer.
        """
        ...
