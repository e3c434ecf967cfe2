"""Folder that stands for the model host: repositories, revisions, visibility.

``<root>/<namespace>/<name>/<40-hex revision>/`` has the files of one revision and never
changes; ``meta.json`` beside them says who may read. Like the real host, it stores any files:
the reader refuses bad models.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from enum import StrEnum
from hashlib import sha1, sha256
from pathlib import Path

from sn37.adapters.simnet.host.half_written import appear, own, sweep
from sn37.domain.canonical import JsonValue, canonical_json
from sn37.domain.ids import is_commit
from sn37.domain.submission.models import ModelRef
from sn37.durable import rename_whole

META = "meta.json"
_PARTIAL, _META = ".partial-", ".meta-"  # until complete
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Visibility(StrEnum):
    """Visibility of a repository to readers."""

    PRIVATE = "private"
    PUBLIC = "public"
    DELETED = "deleted"


class FolderRepositories:
    """View of the host itself, which may read and write everything.

    All methods block on local files, and raise ``OSError`` when the folder refuses.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def root(self) -> Path:
        return self._root

    def push(self, repo: str, folder: Path, *, revision: str | None = None) -> str:
        """Store a copy of ``folder``; return its revision, by default a hash of the content.

        A new repository is private. Pushing the same files again changes nothing.

        Raises:
            ValueError: ``repo`` or ``revision`` is malformed.
        """
        home = self._home(repo)
        if revision is None:
            revision = _revision_of(folder)
        elif not is_commit(revision):
            raise ValueError(f"revision {revision!r} is not 40 hex digits")
        home.mkdir(parents=True, exist_ok=True)
        target = home / revision
        if not target.is_dir():
            sweep(home, _PARTIAL)
            with tempfile.TemporaryDirectory(prefix=own(_PARTIAL), dir=home) as partial:
                copy = Path(partial, "files")
                # Links are copied as links: the reader refuses them, the host must not follow.
                shutil.copytree(folder, copy, symlinks=True)
                appear(copy, target)
        if not (home / META).exists():
            self._write(home, Visibility.PRIVATE)
        return revision

    def visibility(self, repo: str) -> Visibility | None:
        """Return who may read ``repo``; ``None`` if it does not exist.

        Raises:
            ValueError: Its meta file is damaged.
        """
        home = self._home(repo)
        try:
            text = (home / META).read_text()
        except FileNotFoundError:
            self._root.stat()  # raises if the whole host is gone
            return None
        return Visibility(json.loads(text)["visibility"])

    def set_visibility(self, repo: str, visibility: Visibility) -> None:
        """Change who may read ``repo``; repeating it changes nothing.

        Raises:
            FileNotFoundError: The repository does not exist.
        """
        if self.visibility(repo) is None:
            raise FileNotFoundError(f"no repository {repo}")
        if self.visibility(repo) is not visibility:
            self._write(self._home(repo), visibility)

    def public_files(self, ref: ModelRef) -> Path | None:
        """Return the folder of a revision that the public can read, or ``None``."""
        try:
            if self.visibility(ref.repo) is not Visibility.PUBLIC:
                return None
        except ValueError:
            return None  # an invalid name cannot have been published
        if not is_commit(ref.revision):
            return None
        folder = self._home(ref.repo) / ref.revision
        return folder if folder.is_dir() else None

    def _home(self, repo: str) -> Path:
        parts = repo.split("/")
        if len(parts) != 2 or not all(_PART.fullmatch(part) for part in parts):
            raise ValueError(f"repository must be namespace/name, not {repo[:80]!a}")
        return self._root / parts[0] / parts[1]

    def _write(self, home: Path, visibility: Visibility) -> None:
        sweep(home, _META)
        with tempfile.NamedTemporaryFile("w", dir=home, prefix=own(_META), delete=False) as file:
            json.dump({"visibility": visibility}, file)
        rename_whole(Path(file.name), home / META)


def _revision_of(folder: Path) -> str:
    """Return the sha1 of the canonical list of (path, size, sha256), as Git names content."""
    rows: list[JsonValue] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            rows.append([name, "link", path.readlink().as_posix()])
        elif path.is_file():
            data = path.read_bytes()
            rows.append([name, len(data), sha256(data).hexdigest()])
    return sha1(canonical_json(rows), usedforsecurity=False).hexdigest()
