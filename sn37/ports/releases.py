"""Ports: where releases come from, where they are installed, and the service that runs one.

All of them block, and are for a command line of their own, never for the validator's loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sn37.domain.release.release import Release, ReleaseFile
from sn37.domain.release.upgrade import Page, Switch


class ReleaseSource(Protocol):
    """A document and the files beside it."""

    def document(self) -> bytes:
        """The signed document as it lies there, bounded in size.

        Raises:
            ReleaseUnavailable: It cannot be read.
            ReleaseRefused: It is too large, or on a way that is not taken.
        """
        ...

    def fetch(self, file: ReleaseFile, folder: Path) -> Path:
        """Put a file into ``folder``, checked; where it is.

        Raises:
            ReleaseUnavailable: It cannot be read, or the disk is full.
            ReleaseRefused: Its size or hash is not what was signed.
        """
        ...


class Installation(Protocol):
    """The folder of all releases, one of which is current."""

    def lock(self) -> AbstractContextManager[None]:
        """Nobody else changes anything in here meanwhile.

        Raises:
            ReleaseRefused: Somebody does, or others than its owner may write to the folder.
        """
        ...

    def current(self) -> str:
        """The version that starts next.

        Raises:
            ReleaseRefused: The link is not there, or leads elsewhere.
        """
        ...

    def staged(self) -> Sequence[str]:
        """Versions that are installed completely, oldest first."""
        ...

    def newest(self) -> str:
        """The newest version that was ever staged here, or the current one."""
        ...

    def folder(self, version: str) -> Path:
        """Where a version's environment is, or would be."""
        ...

    def begin(self, version: str) -> Path:
        """An empty folder for a version that is not staged yet."""
        ...

    def complete(self, version: str, document: bytes) -> None:
        """Mark a version as installed, for good, and keep its signed document."""
        ...

    def document(self, version: str) -> bytes:
        """The signed document of a staged version.

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
        """The newest switch as it was written down.

        Raises:
            ReleaseRefused: It cannot be read.
        """
        ...

    def record(self, switch: Switch) -> None:
        """Write down how far a switch has come; on disk when this returns."""
        ...


class Installer(Protocol):
    """Makes environments, and runs programs in them."""

    def install(self, folder: Path, release: Release, files: Path) -> None:
        """Make an environment in ``folder`` of exactly the packages of a release.

        Args:
            files: Folder that holds its wheel and its requirements.

        Raises:
            ReleaseRefused: A package is not what its hash says, or they do not fit together.
            ReleaseUnavailable: A package cannot be had, or the disk is full.
        """
        ...

    def run(self, folder: Path, *arguments: str) -> tuple[int, str]:
        """``sn37 ARGUMENTS`` of an environment: exit code and output.

        It runs as the owner of the state, and sees the operator's settings.
        """
        ...

    def scratch(self) -> AbstractContextManager[Path]:
        """A folder for a copy of the state, which its owner may write to; it goes afterwards."""
        ...


class Service(Protocol):
    """The validator as its service manager has it."""

    def stop(self) -> None:
        """Returns when it is down; nothing happens when it is already.

        Raises:
            ServiceUnavailable: It cannot be stopped.
        """
        ...

    def start(self) -> None:
        """Raises: ServiceUnavailable: It does not start."""
        ...

    def page(self) -> Page | None:
        """What it says of itself; ``None`` when it does not answer."""
        ...
