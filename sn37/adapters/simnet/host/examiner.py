"""Admission checks of repositories in the folder that stands for the model host."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.adapters.admission.examine import examine
from sn37.adapters.admission.stored_facts import cache_key
from sn37.adapters.simnet.host.repositories import FolderRepositories
from sn37.domain.ids import Digest, is_commit
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.admission import AdmissionStep, Examined
from sn37.domain.submission.constraints import Violation
from sn37.domain.submission.models import ModelRef
from sn37.ports.errors import ModelNotPublic, StoreUnavailable

if TYPE_CHECKING:
    from sn37.ports.model_store import ModelExaminer


class FolderExaminer:
    """``ModelExaminer`` over a folder of repositories; copies are kept below ``root``."""

    def __init__(self, repos: Path, root: Path) -> None:
        self._repositories = FolderRepositories(repos)
        self._root = root

    async def examine(
        self, repo: str, revision: str, constraints: ModelConstraints, *, weights: bool
    ) -> Examined:
        """See ``ModelExaminer``; so do the methods below."""
        return await asyncio.to_thread(self._examine, repo, revision, constraints, weights)

    async def commit_of(self, repo: str, name: str) -> str:
        if is_commit(name):
            return name
        raise ModelNotPublic(f"{repo}: simnet's repositories have commits only, not {name!a}")

    async def licence(self, repo: str, revision: str) -> str | None:
        return None  # simnet's miners write no model cards

    def discard(self, repo: str, revision: str) -> None:
        shutil.rmtree(self._folder(repo, revision), ignore_errors=True)

    def _examine(
        self, repo: str, revision: str, constraints: ModelConstraints, weights: bool
    ) -> Examined:
        ref = ModelRef(repo=repo, revision=revision, secure_hash=Digest(""))
        try:
            source = self._repositories.public_files(ref)
            if source is None:
                detail = f"{repo} cannot be read at {revision[:12]}"
                refusal = Violation(reason=Reason.NOT_PUBLIC, detail=detail)
                return Examined(passed=(), refusal=refusal)
            folder = self._folder(repo, revision)
            shutil.copytree(source, folder, dirs_exist_ok=True)
            found = examine(folder, constraints, weights=weights)
        except OSError as error:
            raise StoreUnavailable(f"the model folder does not answer: {error}") from error
        return Examined(
            passed=(AdmissionStep.REPOSITORY, *found.passed),
            refusal=found.refusal,
            artifact=found.artifact,
        )

    def _folder(self, repo: str, revision: str) -> Path:
        return self._root / cache_key(repo, revision)


if TYPE_CHECKING:
    _examiner: ModelExaminer = FolderExaminer(Path(), Path())
