"""File of the simnet chain: its tables, and functions that create and open it.

Write-ahead log with ``synchronous = NORMAL``: a killed process loses no committed
transaction. A power failure may lose the newest blocks; they are then made again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

SCHEMA_VERSION = 1
GENESIS_TIME = datetime(2025, 1, 1, tzinfo=UTC)  # of block 0, unless a run has a start time
CACHE_KIB = 512  # of pages in memory; mostly the newest blocks are read

_TABLES = """
CREATE TABLE chain (
    seed TEXT NOT NULL,              -- decimal; block hashes and the keys of seals come from it
    genesis_s REAL NOT NULL,         -- unix seconds of block 0
    head INTEGER NOT NULL,           -- number of the newest block: all that is kept of blocks
    version INTEGER NOT NULL         -- grows with every write that a read could notice
);
CREATE TABLE neurons (
    netuid INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    hotkey TEXT NOT NULL,
    coldkey TEXT NOT NULL,
    stake_rao INTEGER NOT NULL,
    permit INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,  -- first block as a member
    left_at INTEGER,                 -- first block as no member any more
    PRIMARY KEY (netuid, uid, registered_at)
) WITHOUT ROWID;
CREATE TABLE extrinsics (            -- the pool, what was included, and what was refused
    id INTEGER PRIMARY KEY,          -- order of arrival
    hotkey TEXT NOT NULL,
    nonce INTEGER NOT NULL,
    payload BLOB NOT NULL,           -- what was signed
    signature BLOB NOT NULL,
    due INTEGER NOT NULL,            -- first block that may include it
    block INTEGER,                   -- that included it
    position INTEGER,                -- within the block
    refusal TEXT                     -- why it was never included
);
CREATE UNIQUE INDEX extrinsics_included ON extrinsics (block, position) WHERE block IS NOT NULL;
CREATE UNIQUE INDEX extrinsics_nonce ON extrinsics (hotkey, nonce) WHERE block IS NOT NULL;
CREATE INDEX extrinsics_pool ON extrinsics (due, id) WHERE block IS NULL AND refusal IS NULL;
CREATE TABLE commitments (
    netuid INTEGER NOT NULL,
    hotkey TEXT NOT NULL,
    block INTEGER NOT NULL,
    position INTEGER NOT NULL,
    plain BLOB,                      -- of a sealed one: only once it has been opened
    sealed BLOB,
    reveal INTEGER,                  -- block that opens a sealed one
    dropped INTEGER NOT NULL DEFAULT 0, -- replaced before its reveal, or nobody could open it
    PRIMARY KEY (netuid, hotkey, block)
) WITHOUT ROWID;
CREATE INDEX commitments_unopened ON commitments (reveal)
    WHERE reveal IS NOT NULL AND plain IS NULL AND dropped = 0;
CREATE TABLE weights (
    netuid INTEGER NOT NULL,
    hotkey TEXT NOT NULL,            -- of the validator
    block INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    value INTEGER NOT NULL,          -- u16
    PRIMARY KEY (netuid, hotkey, block, uid)
) WITHOUT ROWID;
CREATE TABLE changes (               -- blocks at which a subnet's state differs from the one before
    netuid INTEGER NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY (netuid, block)
) WITHOUT ROWID;
"""


def create_file(path: Path, *, seed: int, genesis_time: datetime, head: int) -> None:
    """Create a chain without members whose newest block is ``head``, completely or not at all.

    Raises:
        FileExistsError: ``path`` is a chain already.
        ValueError: ``seed`` or ``head`` is negative, or ``genesis_time`` has no time zone.
    """
    if seed < 0 or head < 0:
        raise ValueError(f"seed {seed} and head {head} must not be negative")
    if genesis_time.tzinfo is None:
        raise ValueError("genesis_time must be timezone-aware")
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        with transaction(connection):
            if connection.execute("PRAGMA user_version").fetchone()[0]:
                raise FileExistsError(f"{path} is a chain already; open it instead")
            for statement in _TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO chain VALUES (?, ?, ?, 0)",
                (str(seed), genesis_time.timestamp(), head),
            )
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    finally:
        connection.close()


def open_file(path: Path) -> sqlite3.Connection:
    """Return a connection to an existing chain, in autocommit mode; see ``transaction``.

    Raises:
        sqlite3.Error: The file is missing, not a database, or not a chain of this version.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
    try:
        connection.isolation_level = None
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"schema version {version}, not {SCHEMA_VERSION}")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = {-CACHE_KIB}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def genesis_time_of(path: Path) -> datetime | None:
    """Return the time of block 0, of a new chain if there is none; ``None`` if it is unreadable."""
    if not path.exists():
        return GENESIS_TIME
    try:
        with closing(open_file(path)) as connection:
            (seconds,) = connection.execute("SELECT genesis_s FROM chain").fetchone()
    except sqlite3.Error:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def require_chain(path: Path) -> None:
    """Check that an existing file is a complete chain, before anything waits for it.

    Raises:
        ValueError: It is not; the message says what to do.
    """
    try:
        connection = open_file(path)
        try:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok" or connection.execute("SELECT head FROM chain").fetchone() is None:
                raise sqlite3.DatabaseError("damaged, or without blocks")
        finally:
            connection.close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            return  # another process writes it
        raise ValueError(
            f"{path} is not a chain that can be used ({error}); put the file back that was there, "
            "or remove it together with the state beside it"
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block as one transaction: all of it is written at its end, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise
