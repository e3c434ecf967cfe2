"""Admission check of a local folder, for a miner before it commits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from sn37.adapters.admission.admit import Admitted, Inspected, hash_files, inspect, summarize
from sn37.adapters.admission.digest import HashedFile
from sn37.domain.ids import Digest
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.admission import AdmissionStep, Examined
from sn37.domain.submission.constraints import Violation
from sn37.domain.submission.digests import model_hashes
from sn37.domain.submission.models import ModelArtifact, ModelRef
from sn37.ports.errors import ModelRejected


def examine(folder: Path, constraints: ModelConstraints, *, weights: bool) -> Examined:
    """Check a folder like a validator checks fetched files; return the checks that passed.

    Args:
        weights: Also read the bytes of the weights; otherwise the headers are the last check.

    Raises:
        OSError: The folder cannot be read.
    """
    passed: list[AdmissionStep] = []
    artifact, hashes = None, None
    try:
        inspected = inspect(folder, constraints, passed=passed.append)
        if weights:
            hashed = hash_files(folder, inspected.files, norms=True)
            admitted = admit_weights(inspected, hashed, constraints)
            artifact, hashes = artifact_of(admitted, folder), model_hashes(admitted.files)
            passed.append(AdmissionStep.WEIGHTS)
    except ModelRejected as error:
        return Examined(passed=tuple(passed), refusal=refusal_of(error))
    return Examined(passed=tuple(passed), artifact=artifact, hashes=hashes)


def admit_weights(
    inspected: Inspected, hashed: Sequence[HashedFile], constraints: ModelConstraints
) -> Admitted:
    """Check the weights of a model whose files have been hashed with norms; return its facts.

    Raises:
        ModelRejected: ``non_finite`` or ``norm``.
    """
    from sn37.adapters.admission.weights import check_weights  # numpy: not for a rejection

    check_weights((tensor for file in hashed for tensor in file.tensors), constraints.norms)
    return summarize(inspected, list(hashed))


def artifact_of(admitted: Admitted, folder: Path) -> ModelArtifact:
    """Return an admitted folder that is not committed yet."""
    return ModelArtifact(
        ref=ModelRef(repo="", revision="", secure_hash=Digest("")),
        path=PurePath(folder.absolute()),
        size_bytes=admitted.size_bytes,
        parameters=admitted.parameters,
        architecture=admitted.architecture,
        content_digest=admitted.content_digest,
        tensor_digest=admitted.tensor_digest,
    )


def refusal_of(error: ModelRejected) -> Violation:
    """Return the rejection as a value."""
    return Violation(reason=error.reason, detail=str(error))
