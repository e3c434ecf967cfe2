"""Schema version of a state database, and migration to this program's version."""

from __future__ import annotations

from pathlib import Path

from sn37.adapters.sqlite.database import Access, Database, is_there, translated
from sn37.adapters.sqlite.maintenance import Contents, verify
from sn37.adapters.sqlite.read_only import reading
from sn37.adapters.sqlite.schema import version_of
from sn37.ports.errors import StateUnreadable


def schema_version(path: Path) -> int | None:
    """Return the version of a database, ``None`` if none exists; it may be newer than ours.

    Raises:
        StateUnreadable: It is damaged, or of another program.
        StateUnavailable: It cannot be read.
    """
    with translated(path):
        if not is_there(path):
            return None
    with reading(path) as db:
        version = version_of(db)
    if version is None:
        raise StateUnreadable(f"{path} is not a state database of sn37")
    return version


def migrate(path: Path) -> Contents:
    """Migrate a database to this program's version, as a start of the validator does.

    Raises:
        StateUnreadable, StateUnavailable: As ``verify``; also when a validator is running.
    """
    verify(path)
    database = Database(path)
    try:
        database.transact(lambda _: None, Access.WRITE)
    finally:
        database.close()
    return verify(path)
