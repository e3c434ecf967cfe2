"""Ports: where releases come from, where they are installed, and the service that runs one.

All of them block. Only commands of their own use them, never the validator's loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sn37.domain.release.release import Release, ReleaseFile
from sn37.domain.release.upgrade import Page, Switch


class ReleaseSource(Protocol):
    """Source of one release: a signed document and the files beside it."""

    def document(self) -> bytes:
        """Return the signed document as it is stored, bounded in size.

        Raises:
            ReleaseUnavailable: It cannot be read.
            ReleaseRefused: It is too large, or its address is of a kind that is not allowed.
        """
        ...

    def fetch(self, file: ReleaseFile, folder: Path) -> Path:
        """Download a file into ``folder`` and check it; return its path.

        Raises:
            ReleaseUnavailable: It cannot be read, or the disk is full.
            ReleaseRefused: Its size or hash is not what was signed.
        """
        ...


class Installation(Protocol):
    """The folder of all installed releases, one of which is current."""

    def lock(self) -> AbstractContextManager[None]:
        """Return a context in which no other process changes this folder.

        Raises:
            ReleaseRefused: Another process holds the lock, or users other than the owner may
                write to the folder.
        """
        ...

    def current(self) -> str:
        """Return the version that starts next.

        Raises:
            ReleaseRefused: The link is missing, or points elsewhere.
        """
        ...

    def staged(self) -> Sequence[str]:
        """Return the versions that are installed completely, oldest first."""
        ...

    def newest(self) -> str:
        """Return the newest version that was ever staged here, or the current one."""
        ...

    def folder(self, version: str) -> Path:
        """Return the folder of a version's environment; it need not exist."""
        ...

    def begin(self, version: str) -> Path:
        """Return an empty folder for a version that is not staged yet."""
        ...

    def complete(self, version: str, document: bytes) -> None:
        """Mark a version as installed, durably, and keep its signed document."""
        ...

    def document(self, version: str) -> bytes:
        """Return the signed document of a staged version.

        Raises:
            ReleaseRefused: It is not staged, or was installed by hand.
        """
        ...

    def point_at(self, version: str) -> None:
        """Make a staged version the current one, in one step."""
        ...

    def remove(self, version: str) -> None:
        """Remove a version that is not current."""
        ...

    def switch(self) -> Switch | None:
        """Return the newest switch that was recorded, if any.

        Raises:
            ReleaseRefused: It cannot be read.
        """
        ...

    def record(self, switch: Switch) -> None:
        """Record the progress of a switch; it is on disk when this returns."""
        ...


class Installer(Protocol):
    """Create environments and run programs in them."""

    def install(self, folder: Path, release: Release, files: Path) -> None:
        """Create an environment in ``folder`` with exactly the packages of a release.

        Args:
            files: Folder with the release's wheel and requirements.

        Raises:
            ReleaseRefused: A package does not match its hash, or packages are incompatible.
            ReleaseUnavailable: A package is not available, or the disk is full.
        """
        ...

    def run(self, folder: Path, *arguments: str) -> tuple[int, str]:
        """Run ``sn37 ARGUMENTS`` in an environment; return its exit code and output.

        It runs as the owner of the state, with the operator's settings.
        """
        ...

    def scratch(self) -> AbstractContextManager[Path]:
        """Return a temporary folder for a copy of the state, writable by the state's owner."""
        ...


class Service(Protocol):
    """The validator's service, run by the service manager."""

    def stop(self) -> None:
        """Stop the service and return when it is down. Does nothing if it is down already.

        Raises:
            ServiceUnavailable: It cannot be stopped.
        """
        ...

    def start(self) -> None:
        """Start the service.

        Raises:
            ServiceUnavailable: It does not start.
        """
        ...

    def page(self) -> Page | None:
        """Return the validator's health page, or ``None`` when it does not answer."""
        ...
