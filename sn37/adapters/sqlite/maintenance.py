"""Maintenance of a state database: check, backup, restore, compaction."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sn37.adapters.sqlite.database import (
    acquire,
    is_there,
    known_version,
    lock_file,
    make_folder,
    translated,
)
from sn37.adapters.sqlite.read_only import reading
from sn37.adapters.sqlite.schema import VERSION
from sn37.adapters.sqlite.state_store import load_state
from sn37.adapters.sqlite.stored import POOL, SAMPLES, CodecError
from sn37.domain.records.history_pruning import forgotten_of
from sn37.domain.round.state import Beginning, ValidatorState
from sn37.durable import rename_whole
from sn37.ports.errors import StateUnavailable, StateUnreadable

_COUNTED = ("submission", "round", "outcome", "receipt", "journal", "weights")
_BESIDE = ("", "-wal", "-shm")  # the files of one database


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Content of a sound database."""

    version: int  # of its schema
    size_bytes: int
    rows: dict[str, int]  # by table
    newest_round: int | None  # sync block
    # By competition: the number of pruned rounds, the newest of them, and the time of its pruning.
    forgotten: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    beginning: Beginning | None = None


def verify(path: Path) -> Contents:
    """Read and check all of it: pages, references between tables, and every record.

    Records of an older version are left to the migration. A validator may use the database at
    the same time.

    Raises:
        StateUnreadable: A part of it is wrong; the message says which.
        StateUnavailable: It does not exist, or cannot be read.
    """
    with reading(path) as db:
        version = known_version(db, path)
        found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise StateUnreadable(f"{path} is damaged ({found}); restore a copy")
        if dangling := db.execute("PRAGMA foreign_key_check").fetchone():
            raise StateUnreadable(f"{path}: a row of {dangling[0]} refers to a row that is gone")
        if version == 0:
            return Contents(version=0, size_bytes=path.stat().st_size, rows={}, newest_round=None)
        db.execute("BEGIN")  # one snapshot, even while a validator writes
        state = _read_everything(db) if version == VERSION else ValidatorState()
        return Contents(
            version=version,
            size_bytes=path.stat().st_size,
            rows={t: db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in _COUNTED},
            newest_round=db.execute("SELECT max(sync_block) FROM round").fetchone()[0],
            forgotten={
                f.competition: (f.num_rounds, f.newest, f.at.isoformat(timespec="seconds"))
                for f in forgotten_of(state)
            },
            beginning=state.beginning,
        )


def in_use(path: Path) -> bool:
    """True if a validator has the database open now.

    Raises:
        StateUnavailable: Its lock cannot be read.
    """
    with translated(path):
        try:
            descriptor = os.open(lock_file(path), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


def backup(path: Path, copy: Path) -> Contents:
    """Write a checked copy of the database, which a validator may be using.

    The copy gets its name once it is complete and on disk.

    Raises:
        StateUnreadable: The database is damaged; nothing is written.
        StateUnavailable: A file of that name already exists, or the disk fails or is full.
    """
    if os.path.lexists(copy):
        raise StateUnavailable(f"{copy} already exists; choose another name")
    verify(path)
    partial = copy.with_name(copy.name + ".partial")
    with translated(copy):
        if not copy.parent.is_dir():
            raise StateUnavailable(f"{copy.parent}: no such folder; create it, or choose another")
        partial.unlink(missing_ok=True)
        try:
            with closing(_create(partial)) as target, reading(path) as source:
                source.backup(target)
                target.execute("PRAGMA journal_mode = DELETE")  # a single file
            contents = verify(partial)
            rename_whole(partial, copy)
        finally:
            partial.unlink(missing_ok=True)
    return contents


def restore(copy: Path, path: Path) -> Path | None:
    """Replace the database by a copy; return the new path of the old database, if any.

    Raises:
        StateUnreadable: The copy is damaged, empty or newer; nothing is changed.
        StateUnavailable: A validator is running, or the disk fails or is full.
    """
    _verify_copy(copy)
    with translated(path):
        make_folder(path.parent)
        is_there(path)
        with _locked(path):
            incoming = path.with_name(path.name + ".partial")
            incoming.unlink(missing_ok=True)
            with closing(_create(incoming)) as target, reading(copy) as source:
                source.backup(target)
            verify(incoming)
            aside = _keep_aside(path)
            rename_whole(incoming, path)
    return aside


def compact(path: Path) -> tuple[int, int]:
    """Free the space of removed texts; return the size in bytes before and after.

    Raises:
        StateUnreadable, StateUnavailable: As ``verify``; also when a validator is running.
    """
    verify(path)
    with translated(path), _locked(path):
        before = path.stat().st_size
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before, path.stat().st_size


def _verify_copy(copy: Path) -> None:
    """Check the copy to be restored; an error names another copy as the remedy.

    Raises:
        StateUnreadable, StateUnavailable: It cannot be restored.
    """
    advice = "nothing was changed; name a copy that sn37 state backup wrote"
    with translated(copy):
        if not is_there(copy):
            raise StateUnavailable(f"{copy}: no such file; {advice}")
    try:
        if verify(copy).version > 0:
            return
    except StateUnreadable as error:
        why, _, _ = str(error).partition("; ")  # what follows is the advice on one's own database
        raise StateUnreadable(f"{why}; {advice}") from error
    raise StateUnreadable(f"{copy} is empty; {advice}")


def _create(path: Path) -> sqlite3.Connection:
    """Create a database; write to it at once, so that an error occurs here."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA user_version = 0")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Open a context in which no validator uses the database or can start to."""
    descriptor = acquire(path)
    try:
        yield
    finally:
        os.close(descriptor)


def _read_everything(db: sqlite3.Connection) -> ValidatorState:
    """Decode every record; return the state.

    Raises:
        CodecError: A record cannot be decoded.
    """
    state = load_state(db)
    for (samples,) in db.execute("SELECT samples FROM pool"):
        POOL.load(samples)
    for (samples,) in db.execute("SELECT samples FROM draw WHERE samples IS NOT NULL"):
        SAMPLES.load(samples)
    for first, stop, losses in db.execute("SELECT first, stop, losses FROM journal"):
        if len(losses) != 8 * (stop - first):
            raise CodecError(f"{len(losses)} bytes for the losses of {stop - first} samples")
    for document, signature in db.execute(
        "SELECT document, signature FROM receipt"
        " UNION ALL SELECT document, signature FROM statement"
    ):
        try:
            json.loads(document)
        except ValueError as error:
            raise CodecError(f"a receipt or statement is not JSON: {error}") from error
        if len(signature) != 64:
            raise CodecError(f"a signature of {len(signature)} bytes")
    return state


def _keep_aside(path: Path) -> Path | None:
    """Give the current database, even a damaged one, a second name: the first free one.

    It keeps its own name until another file replaces it, so a database always exists. The files
    that SQLite keeps beside it must not be used with the new database. They are first merged
    into the old one, so that after a kill it is complete under both names.
    """
    if not is_there(path):
        return None
    with suppress(StateUnreadable):  # a file that is not a database stays unchanged
        with reading(path) as db:
            db.execute("SELECT count(*) FROM sqlite_schema")
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.replaced-{number}")):
        number += 1
    for suffix in _BESIDE:
        part = path.with_name(path.name + suffix)
        if part.exists():
            aside.with_name(aside.name + suffix).hardlink_to(part)
    for suffix in _BESIDE[1:]:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside
