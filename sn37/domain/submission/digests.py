"""Hashes over a repository's files, which a commitment binds to a hotkey."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from sn37.domain.canonical import JsonValue, canonical_json
from sn37.domain.ids import Digest
from sn37.domain.schedule.schedule import CommitmentFormat

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileDigest:
    """One admitted file: its path in the repository, its size and the hash of its content."""

    path: str  # relative, "/" between folders
    size: int  # bytes
    sha256: str  # 64 lowercase hex digits

    def __post_init__(self) -> None:
        if any(part in ("", ".", "..") for part in self.path.split("/")):
            raise ValueError(f"path {self.path!a} must be relative, without empty or dot parts")
        if self.size < 0:
            raise ValueError(f"{self.path!a}: size {self.size} must not be negative")
        _check_sha256(self.path, self.sha256)


def content_digest(files: Iterable[FileDigest]) -> Digest:
    """Return the v2 model hash: base64 sha256 of canonical ``[[path, size, sha256], ...]``.

    The list is sorted by path (by code point), so the order of the files does not matter. The
    hash binds names as well as bytes, and covers the admitted files only.

    Raises:
        ValueError: A path occurs twice.
    """
    rows: list[JsonValue] = []
    previous: str | None = None
    for file in sorted(files, key=lambda f: f.path):
        if file.path == previous:
            raise ValueError(f"file {file.path!a} occurs twice")
        previous = file.path
        rows.append([file.path, file.size, file.sha256])
    return Digest(b64encode(sha256(canonical_json(rows)).digest()).decode())


def directory_hash(sha256_by_path: Mapping[str, str]) -> Digest:
    """Return the v1 model hash of existing tools, from the hex sha256 of each file.

    One sha256 over the base64 digests of all files, in the order of a walk from the top: the
    sorted files of a directory, then its sorted subdirectories. It does not bind names and
    depends on which files were downloaded (docs/protocol.md); v2 solves both.

    Raises:
        ValueError: A value is not a hex sha256.
    """
    walk = sha256()
    for path in sorted(sha256_by_path, key=_walk_order):
        digest = sha256_by_path[path]
        _check_sha256(path, digest)
        walk.update(b64encode(bytes.fromhex(digest)))
    return Digest(b64encode(walk.digest()).decode())


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHashes:
    """Model hashes of one set of admitted files, by the format of the commitment."""

    v1: Digest  # ``directory_hash``, without the documentation beside the files
    v2: Digest  # ``content_digest``

    def bound_by(self, format: CommitmentFormat) -> Digest:  # noqa: A002 - the field's name
        """Return the hash that a text of this format binds."""
        return self.v1 if format is CommitmentFormat.V1 else self.v2


def model_hashes(files: Collection[FileDigest]) -> ModelHashes:
    """Return the model hashes of the admitted files.

    Raises:
        ValueError: A path occurs twice.
    """
    return ModelHashes(
        v1=directory_hash({file.path: file.sha256 for file in files}), v2=content_digest(files)
    )


def _walk_order(path: str) -> tuple[tuple[bool, str], ...]:
    """Return the sort key: in a directory, files (False) come before subdirectories (True)."""
    *folders, name = path.split("/")
    return (*((True, folder) for folder in folders), (False, name))


def _check_sha256(path: str, digest: str) -> None:
    if not _SHA256_HEX.fullmatch(digest):
        raise ValueError(f"{path!a}: {digest!a} is not a hex sha256")
