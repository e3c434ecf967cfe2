"""One SQLite file: opening, locking, transactions, and translation of its errors."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import TypeVar

from sn37.adapters.sqlite.schema import VERSION, migrate, version_of
from sn37.adapters.sqlite.stored import CodecError
from sn37.ports.errors import StateUnavailable, StateUnreadable

_T = TypeVar("_T")

Step = Callable[[sqlite3.Connection], _T]

BUSY_TIMEOUT_MS = 5000  # readers such as pages lock the file for one short transaction
_UNREADABLE = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,  # a table does not match its version
        sqlite3.SQLITE_MISMATCH,
    }
)


class Access(Enum):
    """Purpose of a transaction."""

    READ = "BEGIN"
    # Survives the end of the process. After a power failure the last few may be missing and are
    # scored again. Later writes make them durable, too.
    JOURNAL = "BEGIN IMMEDIATE"
    WRITE = "BEGIN IMMEDIATE -- and wait for the disk"


def connect(path: Path) -> sqlite3.Connection:
    """Open or create the file, for use by one thread at a time."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


class Database:
    """The file, opened at the first transaction and locked until ``close``. Not thread-safe."""

    def __init__(
        self, path: Path, *, connect: Callable[[Path], sqlite3.Connection] = connect
    ) -> None:
        self._path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._lock: int | None = None  # file descriptor

    def transact(self, step: Step[_T], access: Access) -> _T:
        """Run ``step`` in one transaction: all of it takes effect, or nothing.

        Raises:
            StateUnreadable: The file is corrupt, of a newer version, or of another program.
            StateUnavailable: The disk failed or is full, or another process holds the file.
        """
        with translated(self._path):
            connection = self._connection or self._open()
            level = "NORMAL" if access is Access.JOURNAL else "FULL"
            connection.execute(f"PRAGMA synchronous = {level}")
            return _in_transaction(connection, access.value, step)

    def close(self) -> None:
        """Close and unlock the file; a later transaction would open it again."""
        connection, self._connection = self._connection, None
        lock, self._lock = self._lock, None
        with translated(self._path):
            try:
                if connection is not None:
                    connection.close()
            finally:
                if lock is not None:
                    os.close(lock)

    def _open(self) -> sqlite3.Connection:
        make_folder(self._path.parent)
        is_there(self._path)
        if self._lock is None:
            self._lock = acquire(self._path)
        connection = self._connect(self._path)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        version = known_version(connection, self._path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        if version < VERSION:
            _in_transaction(connection, Access.WRITE.value, lambda c: migrate(c, since=version))


def is_there(path: Path) -> bool:
    """True if there is a file that may be a database.

    Raises:
        StateUnavailable: Its name belongs to something that is not a file.
        OSError: Access is denied, or it is a link to itself.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "not an ordinary file"
        raise StateUnavailable(f"{path} is {what}; move it away, or choose another database")
    return True


def make_folder(folder: Path) -> None:
    """Make the folder of a database, unless it is there.

    Raises:
        StateUnavailable: A file is in its way.
        OSError: The disk fails or is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next(there for there in (folder, *folder.parents) if os.path.lexists(there))
        raise StateUnavailable(
            f"{file} is not a folder; move it away, or choose another state directory"
        ) from error


def lock_file(path: Path) -> Path:
    """Return the file that is locked while a process has the database open."""
    return path.with_name(path.name + ".lock")


def acquire(path: Path) -> int:
    """Lock the database for one process; return the descriptor that holds the lock while open.

    The lock is a separate file, so readers can still open the database. The system releases the
    lock when the process ends in any way.

    Raises:
        StateUnavailable: Another process has it.
        OSError: The lock file cannot be written.
    """
    descriptor = os.open(lock_file(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise StateUnavailable(
            f"{path} is in use by another validator (process {holder or 'unknown'}); "
            "stop it, or choose another state directory"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def known_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema's version; 0 for an empty file.

    Raises:
        StateUnreadable: The database is of another program, or of a newer version.
    """
    version = version_of(connection)
    if version is None:
        raise StateUnreadable(
            f"{path} is not a state database of sn37; choose another state directory"
        )
    if version > VERSION:
        raise StateUnreadable(
            f"{path} has version {version}, this program reads up to {VERSION}; "
            "upgrade sn37, or choose another state directory"
        )
    return version


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Translate errors of SQLite and the disk into the port's errors."""
    try:
        yield
    except CodecError as error:
        raise _unreadable(path, error) from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # a bug, not a fault of the disk
    except sqlite3.Error as error:
        # The low byte is the primary code; errors of the module itself have none.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _UNREADABLE:
            raise _unreadable(path, error) from error
        raise StateUnavailable(f"{path}: {error}") from error
    except OSError as error:
        # The error may be about a file beside it, such as the lock.
        name = path if error.filename is None else os.fsdecode(error.filename)
        raise StateUnavailable(f"{name}: {error.strerror or error}") from error


def _unreadable(path: Path, error: Exception) -> StateUnreadable:
    return StateUnreadable(
        f"{path} is damaged ({error}); restore a copy, or move it away to start again"
    )


def _in_transaction(connection: sqlite3.Connection, begin: str, step: Step[_T]) -> _T:
    connection.execute(begin)
    try:
        result = step(connection)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # some errors have rolled back already
            connection.execute("ROLLBACK")
        raise
    return result
