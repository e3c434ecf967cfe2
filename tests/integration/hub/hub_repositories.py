"""What the hub of the tests holds: repositories, their revisions, their readers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from pathlib import Path

LFS_SUFFIXES = (".safetensors", ".bin", ".model")


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a revision. What is claimed of it may differ from what is served."""

    data: bytes
    lfs: bool = False
    claimed_size: int | None = None  # bytes
    claimed_sha256: str | None = None

    @property
    def size(self) -> int:
        return len(self.data) if self.claimed_size is None else self.claimed_size

    @property
    def sha256(self) -> str:
        return self.claimed_sha256 or sha256(self.data).hexdigest()

    @property
    def blob_id(self) -> str:
        """Git's name of the blob; of an LFS file that of its pointer."""
        body = self.data
        if self.lfs:
            body = f"oid sha256:{self.sha256}\nsize {self.size}\n".encode()
        return git_blob_id(body)


def git_blob_id(data: bytes) -> str:
    return sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class HubRepository:
    """A repository with all its revisions; ``head`` names the newest."""

    owner: str
    private: bool = True
    gated: bool = False
    disabled: bool = False
    card: object = None  # the header of its model card
    head: str = ""
    revisions: dict[str, Mapping[str, HubFile]] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)  # ISO 8601, by revision
    branches: dict[str, str] = field(default_factory=dict)  # besides main

    def commit(self, files: Mapping[str, HubFile], *, at: str = "") -> str:
        """Make a revision of ``files``, named after what it holds and what was before."""
        rows = [[path, file.size, file.sha256] for path, file in sorted(files.items())]
        text = json.dumps([self.head, rows]).encode()
        self.head = sha1(text, usedforsecurity=False).hexdigest()
        self.revisions[self.head] = dict(files)
        self.dates[self.head] = at
        return self.head

    def files(self, revision: str) -> Mapping[str, HubFile] | None:
        return self.revisions.get(self.head if revision == "main" else revision)


def hub_files(folder: Path) -> dict[str, HubFile]:
    """The files of a folder as the hub would store them: large kinds with Git LFS."""
    return {
        path.relative_to(folder).as_posix(): HubFile(
            path.read_bytes(), lfs=path.name.endswith(LFS_SUFFIXES)
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
