"""Port: where miners publish models."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePath
from typing import Protocol

from sn37.domain.commitment import Commitment
from sn37.domain.competition import TokenizerRef
from sn37.domain.models import Availability, Inventory, ModelArtifact, ModelConstraints, ModelRef


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

    async def inventory(self, refs: Collection[ModelRef]) -> Inventory:
        """What of these models is on disk. Asks nobody outside and changes nothing."""
        ...

    async def evict(self, *, keep: Collection[ModelRef]) -> int:
        """Delete every cached artifact not in ``keep``; return bytes freed."""
        ...


class ModelPublisher(Protocol):
    """Publish a miner's model: private first, public after the commitment."""

    async def upload(
        self, folder: PurePath, repo: str, constraints: ModelConstraints
    ) -> tuple[str, str]:
        """Upload to a private repository; return (40-hex revision, v2 model hash).

        The hash is that of what the host then holds. Uploading the same files again changes
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
