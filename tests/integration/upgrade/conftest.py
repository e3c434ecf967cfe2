"""Releases as maintainers sign them, and an installation to take them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sn37.adapters.releases.document import write_release
from sn37.adapters.releases.folder import InstallFolder
from sn37.adapters.releases.sealing import public_key, seal
from sn37.app import main
from sn37.app.cli_errors import run
from sn37.domain.ids import Digest
from sn37.domain.release import Release, ReleaseFile
from sn37.domain.version import weights_version

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
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
            schema=2,
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


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    folder = tmp_path / "shelf"
    folder.mkdir()
    return Shelf(folder)


@pytest.fixture
def install_dir(tmp_path: Path) -> Path:
    root = tmp_path / "install"
    (root / "releases" / "0.1.0" / "bin").mkdir(parents=True)
    (root / "releases" / "0.1.0" / "bin" / "python").symlink_to(sys.executable)
    InstallFolder(root).point_at("0.1.0")
    return root


Cli = Callable[..., tuple[int, str]]


@pytest.fixture
def cli(
    install_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Cli:
    """``sn37 upgrade ...`` here, as an operator who trusts KEY; exit code, and all it printed."""
    monkeypatch.setenv("SN37_RELEASE_KEY", public_key(KEY))
    monkeypatch.setenv("SN37_INSTALL_DIR", str(install_dir))
    monkeypatch.setenv("SN37_STATE_DIR", str(tmp_path / "state"))

    def call(*words: str | Path) -> tuple[int, str]:
        args: Sequence[str] = ["upgrade", *map(str, words)]
        code = run(main.app, args, prog_name="sn37")
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return call
