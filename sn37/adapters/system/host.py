"""Memory, disk and limits of this machine, as far as this process may use them."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path

from sn37.adapters.folder_size import bytes_below
from sn37.ports.host_facts import DiskFacts

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container


def memory_bytes(cgroup_limit: Path = _CGROUP_LIMIT) -> int:
    """Return the memory of this machine, or the container's limit if that is smaller."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(whole, int(cgroup_limit.read_text()))
    except (OSError, ValueError):  # no such limit: the file is missing, or says "max"
        return whole


def open_files() -> int:
    """Return how many files this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def disk_of(folder: Path, models: Path) -> DiskFacts:
    """Return facts about the disk of a folder, which need not exist yet.

    Args:
        models: Folder of the fetched models.

    Raises:
        OSError: The disk does not answer.
    """
    home = folder
    while not home.exists() and home != home.parent:
        home = home.parent
    return DiskFacts(
        folder=str(folder),
        is_writable=home.is_dir() and os.access(home, os.W_OK | os.X_OK),
        free_bytes=shutil.disk_usage(home).free,
        model_bytes=bytes_below(models),
    )
