"""The folder of an installation.

current -> releases/0.2.0   the release that the service starts
releases/0.1.0, ...         an environment each; the file release.signed is written last
newest                      the newest version that was ever staged here
switch.json                 phase of the newest switch
lock
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from sn37.domain.canonical import as_json, canonical_json
from sn37.domain.release.upgrade import Switch
from sn37.domain.release.version import weights_version
from sn37.durable import sync, write_whole
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable
from sn37.wrong_values import reason

if TYPE_CHECKING:
    from sn37.ports.releases import Installation

MARKER = "release.signed"
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}")
_SWITCH = TypeAdapter(Switch)


class InstallFolder:
    """Releases side by side. Every change is on disk before the next step begins."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def lock(self) -> Iterator[None]:
        """See ``Installation``. The system frees the lock when the process dies."""
        self._require_ours()
        with _translated(self._root):
            descriptor = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise ReleaseRefused(
                f"{self._root}: another sn37 upgrade is running here; wait for it"
            ) from error
        try:
            yield
        finally:
            os.close(descriptor)

    def current(self) -> str:
        """See ``Installation``."""
        link = self._root / "current"
        try:
            leads_to = link.readlink()
        except OSError as error:
            raise ReleaseRefused(
                f"{link}: not a link to a release ({error.strerror}); see docs/validator.md on "
                "installing a service, or name another --install-dir"
            ) from error
        if leads_to.parent not in (Path("releases"), self._releases):
            raise ReleaseRefused(f"{link} leads to {leads_to}, not into releases/")
        if not _VERSION.fullmatch(leads_to.name):
            raise ReleaseRefused(f"{link} leads to {leads_to}, whose name is not a version")
        return leads_to.name

    def staged(self) -> Sequence[str]:
        """See ``Installation``."""
        current = self.current()
        found = [
            folder.name
            for folder in self._releases.iterdir()
            if _VERSION.fullmatch(folder.name)
            and ((folder / MARKER).exists() or folder.name == current)
        ]
        return sorted(found, key=weights_version)

    def newest(self) -> str:
        """See ``Installation``."""
        known = [self.current()]
        note = self._root / "newest"
        if note.exists():
            known.append(self._text(note))
        return max(known, key=weights_version)

    def folder(self, version: str) -> Path:
        """See ``Installation``."""
        return self._releases / version

    def begin(self, version: str) -> Path:
        """See ``Installation``. The files of an interrupted attempt are removed."""
        folder = self.folder(version)
        if version == self.current() or (folder / MARKER).exists():
            raise ReleaseRefused(f"release {version} is already staged in {folder}")
        with _translated(folder):
            if os.path.lexists(folder):
                shutil.rmtree(folder)
            folder.mkdir()
            folder.chmod(0o755)  # despite root's umask: the service's user reads it
        return folder

    def complete(self, version: str, document: bytes) -> None:
        """See ``Installation``."""
        newest = max(self.newest(), version, key=weights_version)
        with _translated(self._root):
            write_whole(self._root / "newest", newest.encode())
            write_whole(self.folder(version) / MARKER, document)

    def document(self, version: str) -> bytes:
        """See ``Installation``."""
        try:
            return (self.folder(version) / MARKER).read_bytes()
        except OSError as error:
            raise ReleaseRefused(
                f"release {version} is not staged here; sn37 upgrade status lists the staged ones"
            ) from error

    def point_at(self, version: str) -> None:
        """See ``Installation``. A rename, so that ``current`` always exists."""
        link = self._root / "current.new"
        with _translated(link):
            link.unlink(missing_ok=True)
            link.symlink_to(Path("releases", version))
            link.rename(self._root / "current")
            sync(self._root)

    def remove(self, version: str) -> None:
        """See ``Installation``. The marker is removed first: an incomplete release is not used."""
        if version == self.current():
            raise ReleaseRefused(f"release {version} is the current one, so it is not removed")
        with _translated(self.folder(version)):
            (self.folder(version) / MARKER).unlink(missing_ok=True)
            shutil.rmtree(self.folder(version))

    def switch(self) -> Switch | None:
        """See ``Installation``."""
        file = self._root / "switch.json"
        if not file.exists():
            return None
        try:
            return _SWITCH.validate_json(self._text(file))
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"]))
            raise ReleaseRefused(
                f"{file} cannot be read ({place}: {reason(problem)}); another version "
                "wrote it: continue with the sn37 of that version"
            ) from error

    def record(self, switch: Switch) -> None:
        """See ``Installation``."""
        with _translated(self._root):
            write_whole(self._root / "switch.json", canonical_json(as_json(switch)))

    @property
    def _releases(self) -> Path:
        return self._root / "releases"

    def _require_ours(self) -> None:
        """Refuse a folder that others can write: its programs run with access to the hotkey."""
        for folder in (self._root, self._releases):
            try:
                found = folder.stat()
            except OSError as error:
                raise ReleaseRefused(
                    f"{folder}: {error.strerror}; see docs/validator.md on installing a service, "
                    "or name another --install-dir"
                ) from error
            if found.st_uid != os.geteuid():
                raise ReleaseRefused(f"{folder} is not yours; run this as its owner")
            if stat.S_IMODE(found.st_mode) & 0o022:
                raise ReleaseRefused(f"others may write to {folder}; run chmod go-w {folder}")

    def _text(self, file: Path) -> str:
        with _translated(file):
            return file.read_text(encoding="utf-8").strip()


@contextmanager
def _translated(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReleaseUnavailable(f"{place}: {error.strerror or error}") from error


if TYPE_CHECKING:
    _: type[Installation] = InstallFolder
