"""A root folder with only the paths that a worker may open.

Landlock prevents opening other files, but not reading whether they exist and how large they are.
Here they do not exist: a worker's root is a small file system in memory, in which every allowed
path is mounted at its usual place. Links on the way to a path are created again.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterable
from contextlib import ExitStack

from sn37.adapters.scoring.sandbox.bpf import ARCHITECTURES
from sn37.adapters.scoring.sandbox.kernel import machine, syscall
from sn37.adapters.scoring.sandbox.syscalls import NUMBERS

_READ_ONLY, _NOSUID, _NODEV, _REMOUNT = 1 << 0, 1 << 1, 1 << 2, 1 << 5
_BIND, _RECURSIVE, _PRIVATE = 1 << 12, 1 << 14, 1 << 18
_DETACH = 2
# The new root is built here. Allowed paths below it are opened before it is covered.
_PLACE = "/tmp"  # nothing is written to the folder itself
_MAX_LINKS = 40  # on the way to one path, like the kernel's own limit


def build(paths: Iterable[str]) -> None:
    """Make a folder with only ``paths`` the root of this process.

    It must have its own namespaces for users and mounts, and no open folder. Paths that do not
    exist or cannot be reached are left out.

    Raises:
        OSError: The kernel refuses; the root is then the old one or unusable.
    """
    links: dict[str, str] = {}
    with ExitStack() as opened:
        sources: dict[str, int] = {}
        for path in paths:
            try:
                real = _resolve(path, links)
                sources[real] = os.open(real, os.O_PATH | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue  # as in Landlock: it needs no permission
            opened.callback(os.close, sources[real])
        _mount(None, "/", None, _RECURSIVE | _PRIVATE)  # hides all changes from outside
        _mount("none", _PLACE, "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
        folders = _place(sources)
    for link, target in links.items():
        if not _is_below(link, folders):
            os.makedirs(_PLACE + os.path.dirname(link), exist_ok=True)  # noqa: PTH103, PTH120
            os.symlink(target, _PLACE + link)  # noqa: PTH211
    os.chdir(_PLACE)
    _call("pivot_root", b".", b".")  # the old root now covers the new one, and is removed
    _call("umount2", b".", _DETACH)
    os.chdir("/")
    _mount(None, "/", None, _REMOUNT | _BIND | _READ_ONLY | _NOSUID | _NODEV)


def _place(sources: dict[str, int]) -> set[str]:
    """Mount the opened paths below ``_PLACE``; return the folders among them."""
    folders: set[str] = set()
    for real, descriptor in sorted(sources.items()):
        if _is_below(real, folders):
            continue
        target = _PLACE + real
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.makedirs(target, exist_ok=True)  # noqa: PTH103
            folders.add(real)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
        _mount(f"/proc/self/fd/{descriptor}", target, None, _BIND | _RECURSIVE)
    return folders


def _resolve(path: str, links: dict[str, str]) -> str:
    """Return the path without links; add those on the way, with targets, to ``links``."""
    done, rest, count = "", path.split("/")[::-1], 0
    while rest:
        part = rest.pop()
        if part in ("", "."):
            continue
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        here = f"{done}/{part}"
        try:
            target = os.readlink(here)  # noqa: PTH115
        except OSError as error:
            if error.errno != errno.EINVAL:  # another error than "not a link"
                raise
            done = here
            continue
        if (count := count + 1) > _MAX_LINKS:
            raise FileNotFoundError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        links[here] = target
        if target.startswith("/"):
            done = ""
        rest += target.split("/")[::-1]
    return done or "/"


def _is_below(path: str, folders: set[str]) -> bool:
    """True if one of the folders is the path or above it."""
    while path:
        if path in folders:
            return True
        path = path.rpartition("/")[0]
    return False


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    _call("mount", *map(_text, (source, target, kind)), flags, _text(options))


def _text(value: str | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


def _call(name: str, *arguments: bytes | int | None) -> None:
    number = NUMBERS[name][ARCHITECTURES[machine()].column]
    if number is None:
        raise OSError(errno.ENOSYS, name)
    syscall(
        name,
        number,
        *(ctypes.create_string_buffer(a) if isinstance(a, bytes) else a for a in arguments),
    )
