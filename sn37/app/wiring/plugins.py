"""Installed plug-ins, each call in a process under a guard, and training sets on this machine."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from sn37.adapters.child_process.running import Child, ChildError, child_environment, running
from sn37.app.samples.installed import InstalledPlugin
from sn37.app.samples.plugins import entry_point_of
from sn37.ports.errors import DatasetUnavailable


def installed_plugin(name: str) -> InstalledPlugin:
    """Return the plug-in registered as ``name``, without importing it.

    Raises:
        LookupError: None or several are registered.
    """
    return InstalledPlugin(name=entry_point_of(name).name, run=run_guarded)


def local_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield place and text of each row of a training set on this machine."""
    from sn37.adapters.dataset.local_texts import local_texts as read

    return read(path)


@asynccontextmanager
async def run_guarded(
    module: str, order: bytes, environment: Mapping[str, str], *, max_line_bytes: int
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Run a module under a guard, with this process's variables; see ``RunModule``."""
    variables = child_environment({**os.environ, **environment})
    try:
        async with running(module, variables, max_line_bytes=max_line_bytes) as child:
            child.send(order + b"\n")
            yield _lines(child)
    except ChildError as error:
        raise DatasetUnavailable(str(error)) from error


async def _lines(child: Child) -> AsyncIterator[bytes]:
    async for line in child.lines():
        if line.endswith(b"\n"):
            yield line
    raise child.death()
