"""Read-only access to a state database that a validator may be using."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from sn37.adapters.sqlite import rounds
from sn37.adapters.sqlite.database import BUSY_TIMEOUT_MS, is_there, known_version, translated
from sn37.adapters.sqlite.schema import VERSION
from sn37.adapters.sqlite.state_store import load_state
from sn37.domain.data.samples import Pool
from sn37.domain.ids import Digest, RoundKey, TaskName
from sn37.domain.round.state import ValidatorState
from sn37.ports.errors import StateUnavailable, StateUnreadable


def read_state(path: Path) -> ValidatorState:
    """Return the state of a validator, which may be using the database.

    Raises:
        StateUnreadable: It is damaged, or of another version.
        StateUnavailable: It does not exist, or cannot be read.
    """
    with reading_current(path) as db:
        return ValidatorState() if db is None else load_state(db)


def read_pools(path: Path, round_: RoundKey) -> Mapping[TaskName, Pool]:
    """Return the stored pools of a round of a validator, which may be using the database.

    Raises:
        StateUnreadable, StateUnavailable: As ``read_state``.
    """
    with reading_current(path) as db:
        return {} if db is None else rounds.pools(db, round_)


def read_fingerprint(path: Path) -> Digest | None:
    """Return the schedule's fingerprint in the newest statement of a database of any version.

    ``None`` if the database has no statement, as before the first round.

    Raises:
        StateUnreadable, StateUnavailable: As ``read_state``.
    """
    with reading(path) as db:
        known_version(db, path)
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'statement'").fetchone():
            return None
        row = db.execute(
            "SELECT document FROM statement JOIN round ON round.id = round_id"
            " ORDER BY sync_block DESC LIMIT 1"
        ).fetchone()
    if row is None:
        return None
    try:
        return Digest(json.loads(row[0])["schedule_fingerprint"])
    except (ValueError, LookupError, TypeError) as error:
        raise StateUnreadable(f"{path}: its newest statement is damaged: {error}") from error


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database for reading only."""
    with translated(path):
        if not is_there(path):
            raise StateUnavailable(
                f"no validator has run in {path.parent}; name its folder with --state-dir"
            )
        mode = "mode=ro&immutable=1" if _is_at_rest(path.resolve()) else "mode=ro"
        uri = f"{path.resolve().as_uri()}?{mode}"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
            db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            yield db


def _is_at_rest(path: Path) -> bool:
    """True if the file is the whole database, in a folder where SQLite cannot create its locks.

    Raises:
        StateUnavailable: It is not the whole database, and the rest cannot be read there.
    """
    newest, shared = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
    if os.access(path.parent, os.W_OK) or (newest.exists() and shared.exists()):
        return False
    if newest.exists() and newest.stat().st_size > 0:
        raise StateUnavailable(
            f"{path}: its newest writes are in {newest.name}, and can only be read where the "
            "folder can be written; copy both files to such a folder"
        )
    return True


@contextmanager
def reading_current(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open a snapshot of a database of this version; ``None`` for an empty one."""
    with reading(path) as db:
        version = known_version(db, path)
        if 0 < version < VERSION:
            raise StateUnreadable(
                f"{path} has version {version}, this program reads {VERSION}; start the "
                "validator to migrate it"
            )
        db.execute("BEGIN")  # one snapshot, even while a validator writes
        yield db if version else None
