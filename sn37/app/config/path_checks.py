"""Checks of paths: what kind of file is there, and whether it can be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from sn37.app.errors import CommandError, UsageError

PROBE_BYTES = 1 << 16  # a full disk often still takes an empty file


def is_folder(path: Path, what: str = "") -> bool:
    """True if ``path`` is a folder; ``what`` names its purpose in the error.

    Raises:
        CommandError: The system cannot tell: no permission, or the name is too long.
    """
    return _asked(path.is_dir, path, what)


def is_file(path: Path, what: str = "") -> bool:
    """True if ``path`` is an ordinary file; see :func:`is_folder`."""
    return _asked(path.is_file, path, what)


def is_there(path: Path, what: str = "") -> bool:
    """True if ``path`` exists, even as a broken link; see :func:`is_folder`."""
    return _asked(lambda: _exists(path), path, what)


def require_folder_or_nothing(path: Path, what: str) -> None:
    """Check that ``path`` is a folder, or free for one.

    Raises:
        UsageError: Something else is there; ``what`` names the argument.
        CommandError: The system cannot tell.
    """
    if is_there(path, what) and not is_folder(path, what):
        raise UsageError(f"{what} {path} is a file, not a folder; name a folder")


def require_folders(folders: Iterable[Path], what: str) -> None:
    """Check that folders to read from exist; ``what`` names the option.

    Raises:
        UsageError: One does not.
        CommandError: The system cannot tell.
    """
    for folder in folders:
        if not is_folder(folder, what):
            raise UsageError(f"{what} {folder}: no such folder; correct it or leave it out")


def require_writable(folder: Path) -> None:
    """Make ``folder``, and test that it can be written to.

    Raises:
        CommandError: It cannot; the message says which folder and why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_probe(folder)
    except OSError as error:
        raise CommandError(
            f"state directory {folder}: {_why(error)}; choose another with --state-dir"
        ) from error


def require_replaceable(file: Path) -> None:
    """Make sure that a report can be renamed to ``file`` at the end of the run.

    Raises:
        UsageError: Its folder does not exist, or it is not an ordinary file: renaming would replace
            a device.
        CommandError: Its folder cannot be written.
    """
    try:
        if file.exists() and not file.is_file():
            what = "a folder" if file.is_dir() else "not an ordinary file"
            raise UsageError(f"--json {file}: {what}; expected the name of a file")
        if not file.parent.exists():
            raise UsageError(
                f"--json {file}: no folder {file.parent}; make it, or choose another file"
            )
        _write_probe(file.resolve().parent)
    except OSError as error:
        raise CommandError(f"--json {file}: {_why(error)}; choose another file") from error


def _write_probe(folder: Path) -> None:
    probe = folder / f".writable-{os.getpid()}"
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    finally:
        probe.unlink(missing_ok=True)


def _asked(look: Callable[[], bool], path: Path, what: str) -> bool:
    try:
        return look()
    except OSError as error:
        raise CommandError(f"{what} {path}: {_why(error)}".lstrip()) from error


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _why(error: OSError) -> str:
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{error.filename} is a file, not a folder"
    return error.strerror or str(error)
