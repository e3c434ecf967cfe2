"""Landlock: restricts the files that a process may open, by the kernel's newest version.

Each version of its interface added rights that it can take away (include/uapi/linux/landlock.h):
2 moving between folders, 3 truncation, 4 TCP, 5 commands to devices, 6 signals and abstract
sockets of other processes. A right that a version does not know is not restricted.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from sn37.adapters.scoring.sandbox.kernel import syscall

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
READ = READ_FILE | READ_DIR
DEVICE = READ_FILE | WRITE_FILE | IOCTL_DEV
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_TCP = 3  # bind, connect
_SCOPES = 3  # abstract sockets, signals


def abi() -> int:
    """Return the kernel's version of Landlock; 0 if it has none."""
    try:
        return syscall("landlock_create_ruleset", _CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def file_rights(version: int) -> int:
    """Return every right over files that this version can take away."""
    return (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1


def attributes(version: int) -> bytes:
    """Return a ``struct landlock_ruleset_attr`` that takes away all that this version can."""
    files = struct.pack("=Q", file_rights(version))
    if version < 4:
        return files
    if version < 6:
        return files + struct.pack("=Q", _TCP)
    return files + struct.pack("=QQ", _TCP, _SCOPES)


def restrict(version: int, allowed: Iterable[tuple[str, int]]) -> None:
    """Take every right from this thread and all it starts, except those in ``allowed``.

    Needs no_new_privs.

    Args:
        allowed: Paths, each with the rights at and below it. Missing ones are left out.

    Raises:
        OSError: The kernel refuses.
    """
    body = attributes(version)
    ruleset = syscall(
        "landlock_create_ruleset",
        _CREATE_RULESET,
        ctypes.create_string_buffer(body, len(body)),
        len(body),
        0,
    )
    try:
        for path, rights in allowed:
            _allow(ruleset, path, rights & file_rights(version))
        syscall("landlock_restrict_self", _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # a missing or invisible path needs no permission
    try:
        if not stat.S_ISDIR(os.fstat(target).st_mode):
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights, target)
        syscall(
            f"landlock_add_rule {path}",
            _ADD_RULE,
            ruleset,
            _PATH_BENEATH,
            ctypes.create_string_buffer(rule, len(rule)),
            0,
        )
    finally:
        os.close(target)
