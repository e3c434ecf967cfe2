"""A state on the side: empty at first, and gone when it is done with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sn37.adapters.sqlite.database import lock_file, translated
from sn37.adapters.sqlite.state_store import SqliteStateStore


@asynccontextmanager
async def scratch_store(path: Path) -> AsyncIterator[SqliteStateStore]:
    """A store in the file ``path``; what a process that was killed has left there is removed.

    Raises:
        StateUnavailable: The disk refuses.
    """
    _remove(path)
    store = SqliteStateStore(path)
    try:
        yield store
    finally:
        await store.close()
        _remove(path)


def _remove(path: Path) -> None:
    names = [path.with_name(path.name + ending) for ending in ("", "-wal", "-shm")]
    with translated(path):
        for file in (*names, lock_file(path)):
            file.unlink(missing_ok=True)
