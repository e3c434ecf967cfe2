"""Models: a pointer with a hash, and verified files on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from sn37.domain.ids import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """An immutable pointer to published weights, as committed on chain."""

    repo: str  # "namespace/name"
    revision: str  # 40-hex git commit, never a branch or tag
    secure_hash: Digest  # base64 sha256 of model hash + hotkey, see commitment.secure_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelArtifact:
    """A model on local disk whose files were checked against its commitment."""

    ref: ModelRef
    path: PurePath  # folder with the admitted files only
    size_bytes: int
    parameters: int
    architecture: str
    content_digest: Digest  # the model hash that the commitment binds, base64 sha256
    tensor_digest: Digest  # hex BLAKE3 over the tensors; file names do not matter


class Availability(StrEnum):
    """Public access to a repository at the committed revision."""

    PUBLIC = "public"
    PRIVATE = "private"  # or missing: hosts give the same answer for both


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A model on disk. Until it is complete, its size is that of the files so far."""

    size_bytes: int
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Content of a store's cache, and the free space."""

    held: Mapping[ModelRef, Held]
    other_bytes: int  # of models that were not asked about
    quota_bytes: int | None  # for all models; ``None`` for no limit
    free_bytes: int  # on the disk
