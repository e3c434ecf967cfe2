"""Adapters for ``sn37 release``: keys, and the metadata that they sign."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.adapters.releases.document import document_name, write_release
from sn37.adapters.releases.keys import open_key
from sn37.adapters.sqlite.schema import VERSION
from sn37.app.errors import CommandError
from sn37.domain.release.release import Release
from sn37.durable import write_whole

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from sn37.adapters.releases.repository import Keys, Repository

SCHEMA = VERSION  # of the state that this program writes


def open_repository(releases: Path) -> Repository:
    """Return the metadata beside releases.

    Raises:
        CommandError: A package for signing is missing.
    """
    require_tuf()
    from sn37.adapters.releases.repository import Repository
    from sn37.adapters.releases.trust import METADATA

    return Repository(releases / METADATA)


def keys_of(keys: list[str], threshold: int) -> Keys:
    """Return the public keys of a role, and how many must sign."""
    from sn37.adapters.releases.repository import Keys

    return Keys(keys=keys, threshold=threshold)


def open_private_key(file: Path, password: Callable[[], bytes]) -> Ed25519PrivateKey:
    """Return the private key in a PEM file.

    Raises:
        ReleaseRefused: It cannot be used.
        CommandError: A package for signing is missing.
    """
    require_tuf()
    return open_key(file, password)


def write_document(release: Release, folder: Path) -> Path:
    """Write the document of a release beside its files; return its path.

    Raises:
        CommandError: It cannot be written.
    """
    document = folder / document_name(release.version)
    try:
        write_whole(document, write_release(release))
    except OSError as error:
        raise CommandError(f"{document}: {error.strerror or error}") from error
    return document


def require_tuf() -> None:
    """Check that signatures of releases can be made and checked here.

    Raises:
        CommandError: A package is missing.
    """
    if any(find_spec(package) is None for package in ("cryptography", "tuf")):
        raise CommandError("signatures of releases need tuf: run pip install 'sn37[chain]'")
