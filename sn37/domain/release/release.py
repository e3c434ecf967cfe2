"""Releases of this program: the content of a signed document, and whether to install it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sn37.domain.ids import Digest
from sn37.domain.release.version import weights_version

MAX_FILE_BYTES = 64 << 20  # per file of a release; our wheels are smaller than 1 MiB

_VERSION = re.compile(r"(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){2}")
# No parts of a path, no hidden file, no text that a command would parse as an option.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """A file beside the document."""

    name: str
    sha256: Digest
    size_bytes: int

    def __post_init__(self) -> None:
        if not _FILE_NAME.fullmatch(self.name):
            raise ValueError(f"{self.name[:60]!a} is not a plain file name")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"{self.name}: its sha256 is not 64 hexadecimal digits")
        if not 0 < self.size_bytes <= MAX_FILE_BYTES:
            raise ValueError(
                f"{self.name}: {self.size_bytes} bytes; 1 to {MAX_FILE_BYTES} are allowed"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version that can be installed. The maintainers sign its content."""

    version: str  # three numbers below 1,000, so that each version has its own key
    version_key: int  # version key of the weights that it sends
    wheel: ReleaseFile
    requirements: ReleaseFile  # every other package by version and hash, as pip reads them
    schema: int  # version of the state that it writes
    oldest_schema: int  # oldest version of a state that it can migrate
    not_before: datetime  # timezone-aware; it must not be installed earlier
    expires_at: datetime  # timezone-aware; nor later: an old release may have known faults

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
            raise ValueError(f"schemas {self.oldest_schema} to {self.schema} are not a range")
        if not self.not_before < self.expires_at:
            raise ValueError("it expires before it may be installed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Facts about an installation that decide on a release."""

    running: str  # version
    newest: str  # newest version that was ever staged or run here
    schema: int | None  # version of the state; None without a state
    now: datetime


def objection(release: Release, here: Here, *, downgrade: bool = False) -> str:
    """Return why ``release`` must not be installed; empty if it may be.

    Args:
        downgrade: The operator asked for a version older than the newest one known here.
    """
    if here.now >= release.expires_at:
        return f"release {release.version} has expired on {release.expires_at:%Y-%m-%d %H:%M} UTC"
    if here.now < release.not_before:
        return (
            f"release {release.version} may be installed from {release.not_before:%Y-%m-%d %H:%M} "
            "UTC on; wait, or check this machine's clock"
        )
    if release.version_key == weights_version(here.running):
        return f"release {release.version} is already running"
    if release.version_key < weights_version(here.newest) and not downgrade:
        return (
            f"release {release.version} is older than {here.newest}, which is known here; "
            "use --allow-downgrade to install it anyway"
        )
    if here.schema is not None and here.schema > release.schema:
        return (
            f"release {release.version} reads states up to version {release.schema}, the state "
            f"here has version {here.schema}; restore a backup first, or use a newer release"
        )
    if here.schema is not None and here.schema < release.oldest_schema:
        return (
            f"release {release.version} can migrate states from version {release.oldest_schema} "
            f"on, the state here has version {here.schema}; install a release in between first"
        )
    return ""
