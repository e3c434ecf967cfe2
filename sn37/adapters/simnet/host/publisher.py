"""Publication of a model to the folder that stands for the model host."""

from __future__ import annotations

import asyncio
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from sn37.adapters.admission.admit import admit
from sn37.adapters.simnet.host.repositories import FolderRepositories, Visibility
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.digests import ModelHashes, model_hashes
from sn37.ports.errors import StoreUnavailable

if TYPE_CHECKING:
    from sn37.ports.model_store import ModelPublisher


class FolderPublisher:
    """``ModelPublisher`` over a folder; copies of a few megabytes run in a thread."""

    def __init__(self, repos: Path) -> None:
        self._repositories = FolderRepositories(repos)

    async def upload(
        self, folder: PurePath, repo: str, constraints: ModelConstraints
    ) -> tuple[str, ModelHashes]:
        """See ``ModelPublisher.upload``."""
        return await asyncio.to_thread(self._upload, Path(folder), repo, constraints)

    async def make_public(self, repo: str) -> None:
        """See ``ModelPublisher.make_public``."""
        try:
            await asyncio.to_thread(self._repositories.set_visibility, repo, Visibility.PUBLIC)
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"{repo} cannot be made public: {error}") from error

    def _upload(
        self, folder: Path, repo: str, constraints: ModelConstraints
    ) -> tuple[str, ModelHashes]:
        try:
            admitted = admit(folder, constraints)
            revision = self._repositories.push(repo, folder)
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"{repo} cannot be uploaded: {error}") from error
        return revision, model_hashes(admitted.files)


if TYPE_CHECKING:
    _publisher: ModelPublisher = FolderPublisher(Path())
