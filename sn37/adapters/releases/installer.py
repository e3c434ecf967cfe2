"""Environments of packages, made by pip from pinned hashes only."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.domain.printable import one_line
from sn37.domain.release.release import Release
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable

if TYPE_CHECKING:
    from sn37.ports.releases import Installer

TIMEOUT_S = 3600.0  # to fetch gigabytes, or copy a large state
# Nothing is built, so no code of a package runs while it is installed. Nothing is resolved, so
# only signed packages are installed.
PIP = ("--require-hashes", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class PipInstaller:
    """Environments for releases, each made with the Python that runs this.

    Args:
        state_dir: State folder of the validator. The programs of the environments run as its
            owner, so that no file of the state ever belongs to root.
        settings: Environment variables with the operator's settings for those programs.
    """

    def __init__(self, *, state_dir: Path, settings: Mapping[str, str]) -> None:
        self._state_dir = state_dir
        self._settings = settings

    def install(self, folder: Path, release: Release, files: Path) -> None:
        """See ``Installer``."""
        wheel, packages = files / release.wheel.name, files / "install.txt"
        try:
            packages.write_bytes(
                (files / release.requirements.name).read_bytes()
                + f"\nsn37 @ {wheel.as_uri()} --hash=sha256:{release.wheel.sha256}\n".encode()
            )
        except OSError as error:
            raise ReleaseUnavailable(f"{packages}: {error.strerror or error}") from error
        pip = (str(folder / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check")
        for command in (
            (sys.executable, "-I", "-m", "venv", str(folder)),
            (*pip, "install", *PIP, "--requirement", str(packages)),
            (*pip, "check"),
        ):
            code, output = _output(command, _clean_environment(os.environ), umask=0o022)
            if code != 0:
                raise _failure(output)

    def run(self, folder: Path, *arguments: str) -> tuple[int, str]:
        """See ``Installer``."""
        command = (str(folder / "bin" / "python"), "-I", "-m", "sn37.app.main", *arguments)
        environment = {**_clean_environment(os.environ), **self._settings}
        owner = self._owner()
        if owner is not None:
            environment["HOME"] = str(self._state_dir)
        return _output(command, environment, owner)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """See ``Installer``. The folder is beside the state, on a disk with room for a copy."""
        owner = self._owner()
        try:
            folder = Path(tempfile.mkdtemp(prefix="upgrade-", dir=self._state_dir))
            if owner is not None:
                # The owner of the folder above may replace this one by a link.
                os.chown(folder, *owner, follow_symlinks=False)
        except OSError as error:
            raise ReleaseUnavailable(f"{self._state_dir}: {error.strerror or error}") from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _owner(self) -> tuple[int, int] | None:
        """Return the user and group to run programs as; ``None``: those of this process."""
        if os.geteuid() != 0 or not self._state_dir.exists():
            return None
        found = self._state_dir.stat()
        return (found.st_uid, found.st_gid)


def _clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that change where Python finds its packages."""
    return {name: v for name, v in variables.items() if not name.startswith("PYTHON")}


def _output(
    command: Sequence[str],
    environment: Mapping[str, str],
    owner: tuple[int, int] | None = None,
    *,
    umask: int = 0o077,
) -> tuple[int, str]:
    """Run a program that dies with this process; return its exit code and output.

    The output includes standard error if the program failed.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=TIMEOUT_S,
            check=False,
            user=owner and owner[0],
            group=owner and owner[1],
            extra_groups=owner and (),
            umask=umask,
            preexec_fn=_die_with_parent,
            cwd="/",
        )
    except subprocess.TimeoutExpired as error:
        raise ReleaseUnavailable(f"{command[0]}: not finished after {TIMEOUT_S:.0f} s") from error
    except OSError as error:
        raise ReleaseUnavailable(f"{command[0]}: {error.strerror or error}") from error
    said = done.stdout if done.returncode == 0 else done.stdout + done.stderr
    return done.returncode, said.decode(errors="replace")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)


def _failure(output: str) -> ReleaseRefused | ReleaseUnavailable:
    """Return pip's error in one line, or else the last line of its output."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no message"]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    text = one_line((errors or lines[-1:])[0])
    if "DO NOT MATCH THE HASHES" in output:
        return ReleaseRefused("a package is not the signed one: its sha256 differs")
    if "has requirement" in output or "which is not installed" in output:
        return ReleaseRefused(f"the packages of the release do not fit together: {text}")
    return ReleaseUnavailable(f"installing failed: {text}")


if TYPE_CHECKING:
    _: type[Installer] = PipInstaller
