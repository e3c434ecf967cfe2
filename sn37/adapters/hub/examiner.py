"""Admission check of a repository on the hub, for a miner before it commits."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.adapters.admission.stored_facts import FILES, cache_key
from sn37.adapters.hub.transfer_messages import CheckOrder, Connection, LicenceOrder, ResolveOrder
from sn37.adapters.hub.transfer_process import carry_out
from sn37.domain.canonical import JsonValue
from sn37.domain.ids import Digest
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.admission import AdmissionStep, Examined
from sn37.domain.submission.constraints import Violation
from sn37.domain.submission.models import ModelArtifact, ModelRef
from sn37.ports.errors import StoreUnavailable

if TYPE_CHECKING:
    from sn37.ports.model_store import ModelExaminer


class HubExaminer:
    """Checks revisions of repositories in folders below ``root``, which nothing else uses."""

    def __init__(self, root: Path, *, connection: Connection | None = None) -> None:
        self._root = root.absolute()
        self._connection = connection or Connection()

    async def examine(
        self, repo: str, revision: str, constraints: ModelConstraints, *, weights: bool
    ) -> Examined:
        """See ``ModelExaminer``, here and below. An interrupted check is resumed."""
        folder = self._folder(repo, revision)
        order = CheckOrder(
            repo=repo,
            revision=revision,
            constraints=constraints,
            folder=str(folder),
            weights=weights,
        )
        return examined(await carry_out(self._connection, order), folder)

    async def commit_of(self, repo: str, name: str) -> str:
        return str(await carry_out(self._connection, ResolveOrder(repo=repo, name=name)))

    async def licence(self, repo: str, revision: str) -> str | None:
        found = await carry_out(self._connection, LicenceOrder(repo=repo, revision=revision))
        return None if found is None else str(found)

    def discard(self, repo: str, revision: str) -> None:
        shutil.rmtree(self._folder(repo, revision), ignore_errors=True)

    def _folder(self, repo: str, revision: str) -> Path:
        return self._root / cache_key(repo, revision)


def examined(answer: JsonValue, folder: Path) -> Examined:
    """Return the result in the answer to a ``CheckOrder``; an admitted model is in ``folder``.

    Raises:
        StoreUnavailable: The answer has no result.
    """
    match answer:
        case {"passed": list(passed), "refusal": refusal, "artifact": artifact}:
            return Examined(
                passed=tuple(AdmissionStep(str(step)) for step in passed),
                refusal=_refusal(refusal),
                artifact=_artifact(artifact, folder),
            )
    raise StoreUnavailable(f"invalid answer to a check: {str(answer)[:80]}")


def _refusal(value: JsonValue) -> Violation | None:
    match value:
        case {"reason": str(reason), "detail": str(detail)}:
            return Violation(reason=Reason(reason), detail=detail)
    return None


def _artifact(value: JsonValue, folder: Path) -> ModelArtifact | None:
    match value:
        case {
            "size_bytes": int(size_bytes),
            "parameters": int(parameters),
            "architecture": str(architecture),
            "content_digest": str(content_digest),
            "tensor_digest": str(tensor_digest),
        }:
            return ModelArtifact(
                ref=ModelRef(repo="", revision="", secure_hash=Digest("")),
                path=folder / FILES,
                size_bytes=size_bytes,
                parameters=parameters,
                architecture=architecture,
                content_digest=Digest(content_digest),
                tensor_digest=Digest(tensor_digest),
            )
    return None


if TYPE_CHECKING:
    _examiner: ModelExaminer = HubExaminer(Path())
