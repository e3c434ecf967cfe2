"""The state database passes the contract, and refuses what it must not touch."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.testing.state_store_contract import StateStoreContract

if TYPE_CHECKING:
    from sn37.ports.state_store import StateStore


class TestSqliteStateStore(StateStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.root = tmp_path

    def open(self) -> StateStore:
        return SqliteStateStore(self.root / "state" / "validator.sqlite")

    def unreadable(self) -> StateStore:
        path = self.root / "newer.sqlite"
        store = SqliteStateStore(path)
        asyncio.run(_load_and_close(store))
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        return SqliteStateStore(path)

    def unavailable(self) -> StateStore:
        (self.root / "file").write_text("not a folder")
        return SqliteStateStore(self.root / "file" / "validator.sqlite")


async def _load_and_close(store: StateStore) -> None:
    await store.load()
    await store.close()
