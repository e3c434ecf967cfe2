"""Releases as maintainers sign them, and who trusts whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sn37.adapters.releases.document import write_release
from sn37.adapters.releases.sealing import seal
from sn37.adapters.sqlite.schema import VERSION
from sn37.domain.ids import Digest
from sn37.domain.release.release import Release, ReleaseFile
from sn37.domain.release.version import weights_version

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
Cli = Callable[..., tuple[int, str]]  # arguments of ``sn37 upgrade``: exit code, all it printed
NOW = datetime.now(UTC).replace(microsecond=0)


def a_file(path: Path) -> ReleaseFile:
    content = path.read_bytes()
    return ReleaseFile(
        name=path.name,
        sha256=Digest(sha256(content).hexdigest()),
        size_bytes=len(content),
    )


@dataclass
class Shelf:
    """A folder with releases and their files."""

    folder: Path

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

    def put(self, release: Release, *, key: Ed25519PrivateKey = KEY) -> Path:
        return self.put_sealed(seal(write_release(release), key))

    def put_sealed(self, sealed: bytes) -> Path:
        path = self.folder / "a.release"
        path.write_bytes(sealed)
        return path
