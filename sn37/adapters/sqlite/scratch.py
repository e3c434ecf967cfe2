"""Scratch states: one that is removed after its use, and one that survives a kill."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sn37.adapters.sqlite.database import lock_file, translated
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.ports.errors import StateUnreadable


@asynccontextmanager
async def scratch_store(path: Path) -> AsyncIterator[SqliteStateStore]:
    """Open a new store in the file ``path``; remove a file that a killed process left there.

    Raises:
        StateUnavailable: The disk fails or is full.
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
    """Open a store in the file ``path`` with its earlier content.

    A damaged file, or one of another version, is removed: it is not needed.

    Raises:
        StateUnavailable: The disk fails or is full.
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
    """Remove the file of a closed store, if it exists.

    Raises:
        StateUnavailable: The disk fails.
    """
    names = [path.with_name(path.name + ending) for ending in ("", "-wal", "-shm")]
    with translated(path):
        for file in (*names, lock_file(path)):
            file.unlink(missing_ok=True)
