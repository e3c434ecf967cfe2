"""Builders: commitments, models and submissions."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1, sha256
from pathlib import PurePath, PurePosixPath

from sn37.domain.ids import Block, CompetitionId, Digest, EntryKey, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import (
    Commitment,
    CommitmentBook,
    CommitmentFault,
    MalformedCommitment,
)
from sn37.domain.submission.models import ModelArtifact, ModelRef
from sn37.domain.submission.submission import Submission

ARCHITECTURE = "LlamaForCausalLM"


def hex_digest(text: str) -> Digest:
    """Return the hex sha256 of ``text``, for values that need any digest."""
    return Digest(sha256(text.encode()).hexdigest())


def base64_digest(text: str) -> Digest:
    """Return the base64 sha256 of ``text``: 44 characters."""
    return Digest(b64encode(sha256(text.encode()).digest()).decode())


def a_revision(text: str = "first") -> str:
    """Return 40 hex characters that depend on ``text`` only."""
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


def an_entry_key(hotkey: str = "alice", block: int = 100) -> EntryKey:
    return EntryKey(Hotkey(hotkey), Block(block))


def a_model_ref(
    *, repo: str = "alice/model", revision: str | None = None, secure_hash: str | None = None
) -> ModelRef:
    return ModelRef(
        repo=repo,
        revision=a_revision(repo) if revision is None else revision,
        secure_hash=base64_digest(repo) if secure_hash is None else Digest(secure_hash),
    )


def a_commitment(
    hotkey: str = "alice",
    block: int = 100,
    *,
    extrinsic_index: int = 0,
    competition: int = 1,
    model: ModelRef | None = None,
    format: CommitmentFormat = CommitmentFormat.V2,  # noqa: A002 - the field's name
) -> Commitment:
    """Return a commitment, by default to a repository named after the hotkey."""
    if model is None:
        model = a_model_ref(
            repo=f"{hotkey}/model",
            revision=a_revision(f"{hotkey}/{block}"),
            secure_hash=base64_digest(f"{hotkey}/{block}"),
        )
    return Commitment(
        hotkey=Hotkey(hotkey),
        block=Block(block),
        extrinsic_index=extrinsic_index,
        competition=CompetitionId(competition),
        model=model,
        format=format,
    )


def a_malformed_commitment(
    hotkey: str = "mallory",
    block: int = 100,
    *,
    fault: CommitmentFault = CommitmentFault.PARTS,
    detail: str = "'no colons here'",
) -> MalformedCommitment:
    return MalformedCommitment(
        hotkey=Hotkey(hotkey), block=Block(block), fault=fault, detail=detail
    )


def a_commitment_book(*records: Commitment | MalformedCommitment) -> CommitmentBook:
    return CommitmentBook(
        well_formed={r.hotkey: r for r in records if isinstance(r, Commitment)},
        malformed={r.hotkey: r for r in records if isinstance(r, MalformedCommitment)},
    )


def some_constraints(
    *,
    min_parameters: int = 0,
    max_parameters: int = 10_000_000,
    max_bytes: int = 100_000_000,
    max_tokens: int = 256,
    architectures: frozenset[str] = frozenset({ARCHITECTURE}),
) -> ModelConstraints:
    return ModelConstraints(
        min_parameters=min_parameters,
        max_parameters=max_parameters,
        max_bytes=max_bytes,
        max_tokens=max_tokens,
        architectures=architectures,
    )


def an_artifact(
    commitment: Commitment | None = None,
    *,
    ref: ModelRef | None = None,
    path: PurePath | None = None,
    size_bytes: int = 4_000_000,
    parameters: int = 1_000_000,
    architecture: str = ARCHITECTURE,
    content_digest: str | None = None,
    tensor_digest: str | None = None,
) -> ModelArtifact:
    """Return a model, by default with tensors that no other revision has."""
    if ref is None:
        ref = (commitment or a_commitment()).model
    return ModelArtifact(
        ref=ref,
        path=PurePosixPath("/cache") / ref.repo / ref.revision if path is None else path,
        size_bytes=size_bytes,
        parameters=parameters,
        architecture=architecture,
        content_digest=base64_digest(f"content {ref.revision}")
        if content_digest is None
        else Digest(content_digest),
        tensor_digest=hex_digest(f"tensors {ref.revision}")
        if tensor_digest is None
        else Digest(tensor_digest),
    )


def a_submission(
    commitment: Commitment | None = None,
    *,
    clock_block: int | None = None,
    artifact: ModelArtifact | None = None,
    rejection: Reason | None = None,
    detail: str = "",
    duplicate_of: EntryKey | None = None,
    failures: int = 0,
    missed_rounds: int = 0,
    retired: bool = False,
) -> Submission:
    """Return a submission that is not fetched yet, unless an artifact is given."""
    commitment = a_commitment() if commitment is None else commitment
    return Submission(
        commitment=commitment,
        clock_block=commitment.block if clock_block is None else Block(clock_block),
        artifact=artifact,
        rejection=rejection,
        detail=detail,
        duplicate_of=duplicate_of,
        failures=failures,
        missed_rounds=missed_rounds,
        retired=retired,
    )
