"""Releases of this program: what a signed document says of one, and whether to take it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sn37.domain.ids import Digest
from sn37.domain.release.version import weights_version

MAX_FILE_BYTES = 64 << 20  # of one file of a release; a wheel of ours has less than 1 MiB

_VERSION = re.compile(r"(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){2}")
# Nothing of a path, no hidden file, nothing that a command would take for an option.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """A file that lies beside the document."""

    name: str
    sha256: Digest
    size_bytes: int

    def __post_init__(self) -> None:
        if not _FILE_NAME.fullmatch(self.name):
            raise ValueError(f"{self.name[:60]!a} is not a plain file name")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"{self.name}: its sha256 is not 64 hexadecimal digits")
        if not 0 < self.size_bytes <= MAX_FILE_BYTES:
            raise ValueError(f"{self.name}: {self.size_bytes} bytes, 1 to {MAX_FILE_BYTES} may be")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version, ready to be installed. What it says is signed by the maintainers."""

    version: str  # three numbers below 1,000, so that each version has a key of its own
    version_key: int  # of the weights that it sends
    wheel: ReleaseFile
    requirements: ReleaseFile  # every other package by version and hash, as pip reads them
    schema: int  # version of the state that it writes
    oldest_schema: int  # of the oldest state that it brings up to date
    not_before: datetime  # aware; it must not be installed earlier
    expires_at: datetime  # aware; nor from here on: an old release may have known faults

    def __post_init__(self) -> None:
        if not _VERSION.fullmatch(self.version):
            raise ValueError(f"version {self.version[:30]!a} is not three numbers such as 1.2.3")
        if self.version_key != weights_version(self.version):
            raise ValueError(f"version key {self.version_key} is not that of {self.version}")
        wheel = f"sn37-{self.version}-py3-none-any.whl"
        if self.wheel.name != wheel:
            raise ValueError(f"its wheel is {self.wheel.name}, not {wheel}")
        if self.requirements.name == wheel:
            raise ValueError("its wheel and its requirements are one file")
        if not 0 <= self.oldest_schema <= self.schema:
            raise ValueError(f"schemas {self.oldest_schema} to {self.schema} are none")
        if not self.not_before < self.expires_at:
            raise ValueError("it expires before it may be installed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What an installation has, as far as it decides on a release."""

    running: str  # version
    newest: str  # version, of all that were ever staged or run here
    schema: int | None  # version of the state; None where there is none yet
    now: datetime


def objection(release: Release, here: Here, *, downgrade: bool = False) -> str:
    """Why not to install ``release``; empty when nothing speaks against it.

    Args:
        downgrade: An older version than the newest one known here was asked for.
    """
    if here.now >= release.expires_at:
        return f"release {release.version} has expired on {release.expires_at:%Y-%m-%d %H:%M} UTC"
    if here.now < release.not_before:
        return (
            f"release {release.version} may be installed from {release.not_before:%Y-%m-%d %H:%M} "
            "UTC on; is this machine's clock right?"
        )
    if release.version_key == weights_version(here.running):
        return f"release {release.version} is what runs already"
    if release.version_key < weights_version(here.newest) and not downgrade:
        return (
            f"release {release.version} is older than {here.newest}, which is known here; "
            "--allow-downgrade takes it all the same"
        )
    if here.schema is not None and here.schema > release.schema:
        return (
            f"release {release.version} reads states up to version {release.schema}, the one here "
            f"has {here.schema}; restore a backup first, or take a newer release"
        )
    if here.schema is not None and here.schema < release.oldest_schema:
        return (
            f"release {release.version} brings states up to date from version "
            f"{release.oldest_schema} on, the one here has {here.schema}; install a release in "
            "between first"
        )
    return ""
