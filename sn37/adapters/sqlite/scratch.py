"""States on the side: one that is gone when it is done with, one that a kill leaves as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sn37.adapters.sqlite.database import lock_file, translated
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.ports.errors import StateUnreadable


@asynccontextmanager
async def scratch_store(path: Path) -> AsyncIterator[SqliteStateStore]:
    """A store in the file ``path``; what a process that was killed has left there is removed.

    Raises:
        StateUnavailable: The disk refuses.
    """
    remove_scratch(path)
    store = SqliteStateStore(path)
    try:
        yield store
    finally:
        await store.close()
        remove_scratch(path)


@asynccontextmanager
async def lasting_scratch_store(path: Path) -> AsyncIterator[SqliteStateStore]:
    """A store in the file ``path`` with what was left there before.

    What is damaged, or of another version, is removed: nothing in it is needed.

    Raises:
        StateUnavailable: The disk refuses.
    """
    store = SqliteStateStore(path)
    try:
        try:
            await store.load()
        except StateUnreadable:
            await store.close()
            remove_scratch(path)
            store = SqliteStateStore(path)
        yield store
    finally:
        await store.close()


def remove_scratch(path: Path) -> None:
    """Remove the file of a store that is closed, if it is there.

    Raises:
        StateUnavailable: The disk refuses.
    """
    names = [path.with_name(path.name + ending) for ending in ("", "-wal", "-shm")]
    with translated(path):
        for file in (*names, lock_file(path)):
            file.unlink(missing_ok=True)
