"""Staging of a release: checked, fetched, installed and tried, while the validator runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sn37.domain.printable import one_line
from sn37.domain.release.release import Here, Release, objection
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable
from sn37.ports.releases import Installation, Installer, ReleaseSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Stager:
    """Accepts or refuses releases, and prepares them."""

    installation: Installation
    installer: Installer
    vouched: Callable[[bytes], Release]  # raises ReleaseRefused for what is not signed
    schema_of: Callable[[Path], int | None]
    state_file: Path
    schedule: str  # name of the validator's preset
    now: Callable[[], datetime]

    def judge(self, document: bytes, *, downgrade: bool) -> Release:
        """Return the release of a document, if it is signed and may be installed here.

        Raises:
            ReleaseRefused: It may not be installed.
        """
        release = self.vouched(document)
        here = Here(
            running=self.installation.current(),
            newest=self.installation.newest(),
            schema=self.schema_of(self.state_file),
            now=self.now(),
        )
        if why := objection(release, here, downgrade=downgrade):
            raise ReleaseRefused(why)
        return release

    def judge_staged(self, version: str, *, downgrade: bool) -> None:
        """Check that a staged release is still signed and may be used here.

        Raises:
            ReleaseRefused: It is not, or its folder has the document of another release.
        """
        found = self.judge(self.installation.document(version), downgrade=downgrade).version
        if found != version:
            raise ReleaseRefused(
                f"{self.installation.folder(version)} has the document of release {found}: it was "
                "changed after it was staged; remove the folder and stage the release again"
            )

    def stage(self, source: ReleaseSource, *, downgrade: bool) -> Release:
        """Install a release beside the running one, and try it on a copy of the state.

        Raises:
            ReleaseRefused: It may not be installed, differs from what was signed, or fails a trial.
            ReleaseUnavailable: A file or a package cannot be fetched.
        """
        with self.installation.lock():
            document = source.document()
            release = self.judge(document, downgrade=downgrade)
            folder = self.installation.begin(release.version)
            try:
                files = folder / "files"
                files.mkdir()
                for file in (release.wheel, release.requirements):
                    source.fetch(file, files)
                self.installer.install(folder, release, files)
                self._try(release, folder)
            except BaseException as error:
                self.installation.remove(release.version)
                if isinstance(error, OSError):
                    raise ReleaseUnavailable(f"{folder}: {error.strerror or error}") from error
                raise
            self.installation.complete(release.version, document)
        return release

    def _try(self, release: Release, folder: Path) -> None:
        """Run the new release's own checks on this machine.

        A check that fails with the running release too does not count.
        """
        said = self._expect(folder, "--version")
        if said.strip() != f"sn37 {release.version}":
            raise ReleaseRefused(f"release {release.version} calls itself {said.strip()[:40]!a}")
        running = self.installation.folder(self.installation.current())
        for arguments in (("doctor",), ("schedule", "check", self.schedule)):
            code, output = self.installer.run(folder, *arguments)
            if code != 0 and self.installer.run(running, *arguments)[0] == 0:
                raise _failed(arguments, output)
        if self.schema_of(self.state_file) is not None:
            self._try_state(release, folder, running)

    def _try_state(self, release: Release, folder: Path, running: Path) -> None:
        """Migrate a copy of the state, and check that it still has the same contents."""
        with self.installer.scratch() as scratch:
            at = ("--state-dir", str(scratch))
            self._expect(running, "state", "backup", str(scratch / self.state_file.name))
            before = self._contents(running, *at)
            self._expect(folder, "state", "migrate", *at)
            after = self._contents(folder, *at)
        if after.pop("version", None) != release.schema:
            raise ReleaseRefused(
                f"release {release.version} does not write the state version {release.schema} "
                "of its signed document"
            )
        if lost := sorted(name for name in before if name in after and after[name] != before[name]):
            raise ReleaseRefused(
                f"release {release.version} changes the contents of the state: {', '.join(lost)}"
            )

    def _contents(self, folder: Path, *at: str) -> dict[str, object]:
        """Return the counts of ``sn37 state verify``, by table."""
        output = self._expect(folder, "state", "verify", "--json", *at)
        try:
            found = json.loads(output)
            return {
                **found["rows"],
                "newest round": found["newest_round"],
                "version": found["version"],
            }
        except (ValueError, TypeError, KeyError) as error:
            raise _failed(("state", "verify"), output) from error

    def _expect(self, folder: Path, *arguments: str) -> str:
        code, output = self.installer.run(folder, *arguments)
        if code != 0:
            raise _failed(arguments, output)
        return output


def removable(installation: Installation, *, keep: int) -> list[str]:
    """Return the staged versions without the newest ``keep``, the current and the previous one."""
    at, staged = installation.switch(), installation.staged()
    needed = {installation.current(), *((at.old, at.new) if at else ())}
    return [v for v in staged[: max(len(staged) - keep, 0)] if v not in needed]


def _failed(arguments: tuple[str, ...], output: str) -> ReleaseRefused:
    lines = [line for line in output.splitlines() if line.strip()] or ["no output"]
    telling = [line for line in lines if line.startswith(("error:", "failed "))] or lines[-1:]
    return ReleaseRefused(f"trial of sn37 {' '.join(arguments[:2])} failed: {one_line(telling[0])}")
