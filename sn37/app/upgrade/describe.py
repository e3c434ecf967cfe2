"""Description of a release's files, for maintainers to sign."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from hashlib import file_digest
from pathlib import Path

from sn37.app.errors import CommandError
from sn37.domain.ids import Digest
from sn37.domain.release.release import Release, ReleaseFile
from sn37.domain.release.version import weights_version

_WHEEL = re.compile(r"sn37-(\d+\.\d+\.\d+)-py3-none-any\.whl")
_PINNED = re.compile(
    r"[A-Za-z0-9][\w.-]*(\[[\w,.-]+\])? ?== ?[^\s;]+( ?;[^#]+?)?( --hash=sha256:[0-9a-f]{64})+"
)


def describe(
    wheel: Path,
    requirements: Path,
    *,
    schema: int,
    oldest_schema: int,
    not_before: datetime,
    valid_days: int,
) -> Release:
    """Return the release of a wheel and of the packages that it is installed with.

    Raises:
        CommandError: A file is missing, not beside the other, or would not be installed.
    """
    version = _WHEEL.fullmatch(wheel.name)
    if version is None:
        raise CommandError(f"{wheel}: expected a wheel of sn37 with a version such as 1.2.3")
    if wheel.absolute().parent != requirements.absolute().parent:
        raise CommandError(f"{requirements} must be in the same folder as {wheel}")
    try:
        _require_pinned(requirements)
        return Release(
            version=version[1],
            version_key=weights_version(version[1]),
            wheel=_file(wheel),
            requirements=_file(requirements),
            schema=schema,
            oldest_schema=oldest_schema,
            not_before=not_before,
            expires_at=not_before + timedelta(days=valid_days),
        )
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror or error}") from error
    except ValueError as error:
        raise CommandError(f"release {version[1]}: {error}") from error


def _file(path: Path) -> ReleaseFile:
    with path.open("rb") as file:
        sha256 = file_digest(file, "sha256").hexdigest()
    return ReleaseFile(name=path.name, sha256=Digest(sha256), size_bytes=path.stat().st_size)


def _require_pinned(requirements: Path) -> None:
    """Check that each line is a package with one version and hashes, and not an option.

    Raises:
        CommandError: A line is something else, or the file is not text.
    """
    try:
        text = requirements.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(f"{requirements}: not UTF-8 text ({error.reason})") from error
    for line in text.replace("\\\n", " ").splitlines():
        line = " ".join(re.sub(r"(^|\s)#.*", "", line).split())
        if line and not _PINNED.fullmatch(line):
            raise CommandError(
                f"{requirements}: {line[:60]!a} is not NAME==VERSION --hash=sha256:...; "
                "pip-compile --generate-hashes writes such a file"
            )
