"""Releases as maintainers sign them, and who trusts whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sn37.adapters.releases.document import document_name, write_release
from sn37.adapters.releases.keys import public_key
from sn37.adapters.releases.repository import Keys, Repository
from sn37.adapters.releases.trust import METADATA
from sn37.adapters.sqlite.schema import VERSION
from sn37.domain.ids import Digest
from sn37.domain.release.release import Release, ReleaseFile
from sn37.domain.release.version import weights_version

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLISHER = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
Cli = Callable[..., tuple[int, str]]  # arguments of ``sn37 upgrade``: exit code, all it printed
NOW = datetime.now(UTC).replace(microsecond=0)


def a_file(path: Path) -> ReleaseFile:
    content = path.read_bytes()
    return ReleaseFile(
        name=path.name,
        sha256=Digest(sha256(content).hexdigest()),
        size_bytes=len(content),
    )


def a_role(*keys: Ed25519PrivateKey, threshold: int = 1) -> Keys:
    return Keys(keys=[public_key(key) for key in keys], threshold=threshold)


@dataclass
class Shelf:
    """A folder with releases, their files, and metadata that KEY has signed."""

    folder: Path
    publisher: Ed25519PrivateKey = PUBLISHER

    def __post_init__(self) -> None:
        self.repository = Repository(self.folder / METADATA)

    @property
    def root(self) -> Path:
        """What operators trust."""
        return self.folder / METADATA / "1.root.json"

    def open(self) -> None:
        self.add_root(a_role(KEY), a_role(KEY))

    def add_root(
        self, root: Keys, targets: Keys, *signers: Ed25519PrivateKey, days: float = 300
    ) -> Path:
        file = self.repository.add_root(
            root=root,
            targets=targets,
            publisher=public_key(self.publisher),
            expires=NOW + timedelta(days=days),
        )
        self.sign(file, *(signers or (KEY,)))
        return file

    def sign(self, file: Path, *keys: Ed25519PrivateKey) -> None:
        for key in keys:
            self.repository.sign(file, key)

    def publish(self, *, days: float = 14) -> None:
        self.repository.publish(self.publisher, expires=NOW + timedelta(days=days))

    def release(self, version: str = "0.2.0", *, wheel: bytes = b"wheel") -> Release:
        """Its files are written; the document is not."""
        file = self.folder / f"sn37-{version}-py3-none-any.whl"
        file.write_bytes(wheel)
        requirements = self.folder / "requirements.txt"
        requirements.write_text("# none\n")
        return Release(
            version=version,
            version_key=weights_version(version),
            wheel=a_file(file),
            requirements=a_file(requirements),
            schema=VERSION,
            oldest_schema=0,
            not_before=NOW - timedelta(days=1),
            expires_at=NOW + timedelta(days=30),
        )

    def put(self, release: Release, *keys: Ed25519PrivateKey, days: float = 60) -> Path:
        """Sign and publish it."""
        return self.put_document(
            write_release(release), *keys, name=document_name(release.version), days=days
        )

    def put_document(
        self,
        content: bytes,
        *keys: Ed25519PrivateKey,
        name: str = "sn37-0.2.0.release",
        days: float = 60,
    ) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        targets = self.repository.add_document(path, expires=NOW + timedelta(days=days))
        self.sign(targets, *(keys or (KEY,)))
        self.publish()
        return path
