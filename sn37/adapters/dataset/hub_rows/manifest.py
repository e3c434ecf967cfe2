"""Manifest of a table: its files at one revision, and the sizes of their row groups.

It is canonical JSON, so equal files have equal digests: ``{"format", "repo", "revision",
"patterns", "files": [{"path", "size", "hash", "footer", "rows": [...]}]}``.
``hash`` is the file's on the hub, ``footer`` the sha256 of the footer's bytes. Places of columns
in a file are in its footer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sn37.adapters.dataset.hub_repository import RemoteFile
from sn37.domain.canonical import canonical_json, fields_as_json
from sn37.ports.errors import DatasetUnavailable

FORMAT = 1
MAX_FILES = 2_000
MAX_GROUPS = 2_000_000  # of a table
MAX_PATH_CHARACTERS = 400  # row ids begin with a path


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFile:
    """One Parquet file."""

    path: str
    size: int  # bytes
    hash: str  # sha256 of a file in Git LFS, else git's sha1 of the blob
    footer: str  # hex sha256
    rows: tuple[int, ...]  # of each row group

    @property
    def remote(self) -> RemoteFile:
        return RemoteFile(path=self.path, size_bytes=self.size, sha256=None, blob_id=self.hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All files of a table, by path."""

    repo: str
    revision: str  # commit
    patterns: tuple[str, ...]  # that the paths match
    files: tuple[ManifestFile, ...]

    @property
    def num_rows(self) -> tuple[int, ...]:
        """Sizes of all row groups, in the order of the files."""
        return tuple(rows for file in self.files for rows in file.rows)

    def place(self, group: int) -> tuple[ManifestFile, int]:
        """Return the file of a row group, and its number in that file."""
        for file in self.files:
            if group < len(file.rows):
                return file, group
            group -= len(file.rows)
        raise IndexError(group)


def encode(manifest: Manifest) -> bytes:
    return canonical_json({"format": FORMAT, **fields_as_json(manifest)})


def decode(content: bytes) -> Manifest:
    """Return what ``encode`` encoded; a digest has shown that it did."""
    table = json.loads(content)
    files = (ManifestFile(**{**file, "rows": tuple(file["rows"])}) for file in table["files"])
    return Manifest(
        repo=table["repo"],
        revision=table["revision"],
        patterns=tuple(table["patterns"]),
        files=tuple(files),
    )


def matching(listed: Sequence[RemoteFile], patterns: Sequence[str], repo: str) -> list[RemoteFile]:
    """Return the Parquet files whose path matches a pattern, by path.

    Raises:
        DatasetUnavailable: A pattern matches none, or there are too many.
    """
    parquet = {f.path: f for f in listed if f.path.endswith(".parquet")}
    for pattern in patterns:
        if not any(fnmatchcase(path, pattern) for path in parquet):
            raise DatasetUnavailable(f"{repo} has no Parquet file {pattern!a} at this revision")
    found = [f for p, f in sorted(parquet.items()) if any(fnmatchcase(p, x) for x in patterns)]
    if len(found) > MAX_FILES:
        raise DatasetUnavailable(
            f"{repo}: {len(found)} files exceed the limit of {MAX_FILES}: name fewer in files"
        )
    for file in found:
        if len(file.path) > MAX_PATH_CHARACTERS:
            raise DatasetUnavailable(f"{repo}: the path {file.path[:80]!a}... is too long")
    return found
