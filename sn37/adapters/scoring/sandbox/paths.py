"""Files of the system that a worker may use: code, libraries, its device. None is writable.

The folders of the model and of the tokenizer are added for each job.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from sn37.adapters.scoring.sandbox.landlock import DEVICE, READ

OWN_PROCESS = "/proc/self"
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
_MACHINE = (
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system",
)
_CUDA = (
    "/proc/devices",
    "/proc/driver/nvidia",
    "/proc/modules",
    "/sys/bus/pci",
    "/sys/devices",
    "/sys/module",
    "/usr/local/cuda",
    "/usr/local/nvidia",
    "/usr/share/nvidia",
)
_NAMED = ("CUDA_HOME", "LD_LIBRARY_PATH")  # variables that contain folders of libraries
_SITE_PACKAGES = ("site-packages", "dist-packages")


def system_paths(device: str) -> Sequence[tuple[str, int]]:
    """Return paths with Landlock's rights over them, as this process needs them now.

    Must be called in the warm parent: code that it has imported stays importable from its folder,
    without access to other files next to it.
    """
    readable = {OWN_PROCESS, *_LIBRARIES, *_MACHINE, *_code(), *_mapped_libraries()}
    if device == "cpu":
        return [(path, READ) for path in sorted(readable)]
    readable.update(_CUDA, _named())
    devices = sorted(map(str, Path("/dev").glob("nvidia*")))
    return [*((path, READ) for path in sorted(readable)), *((path, DEVICE) for path in devices)]


def _code() -> Iterator[str]:
    for name in ("stdlib", "platstdlib", "purelib", "platlib"):
        yield sysconfig.get_path(name)
    yield from (path for path in sys.path if Path(path).name in _SITE_PACKAGES)
    for name, module in list(sys.modules.items()):
        if "." not in name:
            yield from map(str, getattr(module, "__path__", ()))


def _mapped_libraries() -> Iterator[str]:
    """Yield folders of the shared libraries in use; some are in unusual places (Nix, conda)."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        _, _, path = line.partition("/")
        if ".so" in path:
            yield os.path.dirname(f"/{path}")  # noqa: PTH120


def _named() -> Iterator[str]:
    for name in _NAMED:
        yield from filter(os.path.isabs, os.environ.get(name, "").split(os.pathsep))
