"""Facts about a fetched model: measured once, stored beside its files, bound to a hotkey."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from sn37.domain.ids import Digest
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import BaseModelRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import Commitment, secure_hash
from sn37.domain.submission.constraints import ModelFacts, violations
from sn37.domain.submission.digests import directory_hash
from sn37.domain.submission.models import Held, Inventory, ModelArtifact, ModelRef
from sn37.ports.errors import ModelRejected, StoreUnavailable

if TYPE_CHECKING:
    from sn37.adapters.admission.admit import Admitted  # hashes: not for reading facts

FACTS = "facts.json"
FILES = "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFacts:
    """Measured facts about a model, stored so that nothing is hashed twice."""

    size_bytes: int
    parameters: int
    architecture: str
    content_digest: str
    directory_hash: str  # v1, over the admitted files and the documentation
    tensor_digest: str
    bare_directory_hash: str = ""  # v1, over the admitted files only; "" in facts of old versions

    @classmethod
    def of(cls, admitted: Admitted, documentation: Mapping[str, str]) -> StoredFacts:
        """Return the facts of an admitted model.

        Args:
            documentation: Hex sha256 of the repository's documentation files, by path.
        """
        files = {file.path: file.sha256 for file in admitted.files}
        return cls(
            size_bytes=admitted.size_bytes,
            parameters=admitted.parameters,
            architecture=admitted.architecture,
            content_digest=admitted.content_digest,
            directory_hash=directory_hash({**files, **documentation}),
            bare_directory_hash=directory_hash(files),
            tensor_digest=admitted.tensor_digest,
        )

    @classmethod
    def of_base(cls, artifact: ModelArtifact) -> StoredFacts:
        """Return the facts of an admitted base model, which has no commitment and no v1 hashes."""
        return cls(
            size_bytes=artifact.size_bytes,
            parameters=artifact.parameters,
            architecture=artifact.architecture,
            content_digest=artifact.content_digest,
            directory_hash="",
            tensor_digest=artifact.tensor_digest,
        )

    def write(self, home: Path) -> None:
        (home / FACTS).write_text(json.dumps(asdict(self)))

    def artifact(
        self, commitment: Commitment, constraints: ModelConstraints, home: Path
    ) -> ModelArtifact:
        """Return the model in ``home`` as this hotkey committed it for this competition.

        Checked on every fetch: another competition has other limits, and another hotkey may have
        copied the commitment.

        Raises:
            ModelRejected: A limit is exceeded, or ``digest_mismatch``.
        """
        measured = ModelFacts(
            architecture=self.architecture,
            parameters=self.parameters,
            size_bytes=self.size_bytes,
        )
        for violation in violations(measured, constraints):
            raise ModelRejected(violation.detail, reason=violation.reason)
        v1 = commitment.format is CommitmentFormat.V1
        accepted = (self.bare_directory_hash, self.directory_hash) if v1 else (self.content_digest,)
        model_hash = check_bound(commitment, *map(Digest, accepted))
        return ModelArtifact(
            ref=commitment.model,
            path=PurePath(home / FILES),
            size_bytes=self.size_bytes,
            parameters=self.parameters,
            architecture=self.architecture,
            content_digest=model_hash,
            tensor_digest=Digest(self.tensor_digest),
        )

    def base_artifact(
        self, ref: BaseModelRef, constraints: ModelConstraints, home: Path
    ) -> ModelArtifact:
        """Return the base model in ``home`` as pinned by the schedule.

        Raises:
            StoreUnavailable: It exceeds a limit, or its weights differ from the schedule's digest.
        """
        measured = ModelFacts(
            architecture=self.architecture,
            parameters=self.parameters,
            size_bytes=self.size_bytes,
        )
        for violation in violations(measured, constraints):
            raise StoreUnavailable(f"base model {ref.repo}: {violation.detail}")
        if ref.tensor_digest not in (None, self.tensor_digest):
            raise StoreUnavailable(
                f"base model {ref.repo} has weights {self.tensor_digest}, but the schedule names "
                f"{ref.tensor_digest}"
            )
        return ModelArtifact(
            ref=ModelRef(repo=ref.repo, revision=ref.revision, secure_hash=Digest("")),
            path=PurePath(home / FILES),
            size_bytes=self.size_bytes,
            parameters=self.parameters,
            architecture=self.architecture,
            content_digest=Digest(self.content_digest),
            tensor_digest=Digest(self.tensor_digest),
        )


def check_bound(commitment: Commitment, *model_hashes: Digest) -> Digest:
    """Return the model hash that the commitment binds to its hotkey (attack 1).

    Raises:
        ModelRejected: ``digest_mismatch`` if it binds none of them.
    """
    for model_hash in model_hashes:
        if secure_hash(model_hash, commitment.hotkey) == commitment.model.secure_hash:
            return model_hash
    raise ModelRejected(
        f"the files of {commitment.model.repo} are not those that this hotkey committed",
        reason=Reason.DIGEST_MISMATCH,
    )


def read_facts(home: Path) -> StoredFacts | None:
    """Return the facts stored when the model was fetched; ``None`` if absent or incomplete.

    Raises:
        OSError: The folder cannot be read.
    """
    try:
        return StoredFacts(**json.loads((home / FACTS).read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):  # a power failure came between the rename and the write to disk
        shutil.rmtree(home)
        return None


def inventory_of(
    found: Mapping[str, Held],
    refs: Collection[ModelRef],
    *,
    quota_bytes: int | None,
    folder: Path,
) -> Inventory:
    """Return the inventory of a cache whose model folders are named by ``cache_key``.

    Args:
        found: By folder name.
        folder: On the disk whose free space counts; it need not exist.
    """
    names = {cache_key(ref.repo, ref.revision): ref for ref in refs}
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    return Inventory(
        held={names[name]: held for name, held in found.items() if name in names},
        other_bytes=sum(held.size_bytes for name, held in found.items() if name not in names),
        quota_bytes=quota_bytes,
        free_bytes=shutil.disk_usage(there).free,
    )


def cache_key(repo: str, revision: str) -> str:
    """Return the name of a revision's folder; repository names are not safe on all file systems."""
    return sha256(f"{repo}\0{revision}".encode()).hexdigest()[:40]
