"""Tables of the state database, and migrations of older databases."""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x736E3337  # "sn37" in the file's header, which identifies our files

# A round is "frozen" when only its pools are stored. The samples of a draw and the pools are
# deleted some time after the round is finished; the manifest, [row id, content hash] in the
# order of the draw, stays. Losses are little-endian float64, one per sample.
_FIRST = (
    """
    CREATE TABLE submission (
        hotkey TEXT NOT NULL,
        block INTEGER NOT NULL,
        competition INTEGER NOT NULL,
        status TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (hotkey, block)
    ) STRICT
    """,
    """
    CREATE TABLE round (
        id INTEGER PRIMARY KEY,
        competition INTEGER NOT NULL,
        sync_block INTEGER NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('frozen', 'open', 'finished')),
        plan TEXT,
        result TEXT,
        UNIQUE (competition, sync_block)
    ) STRICT
    """,
    """
    CREATE TABLE pool (
        id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES round (id),
        task TEXT NOT NULL,
        samples TEXT NOT NULL,
        UNIQUE (round_id, task)
    ) STRICT
    """,
    """
    CREATE TABLE draw (
        id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES round (id),
        task TEXT NOT NULL,
        method TEXT NOT NULL,
        pool_size INTEGER NOT NULL,
        pool_digest TEXT NOT NULL,
        manifest TEXT NOT NULL,
        samples TEXT,
        UNIQUE (round_id, task)
    ) STRICT
    """,
    """
    CREATE TABLE journal (
        id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES round (id),
        hotkey TEXT NOT NULL,
        block INTEGER NOT NULL,
        task TEXT NOT NULL,
        first INTEGER NOT NULL,
        stop INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        seconds REAL NOT NULL,
        losses BLOB NOT NULL,
        UNIQUE (round_id, hotkey, block, task, first, stop)
    ) STRICT
    """,
    "CREATE INDEX journal_by_entry ON journal (hotkey, block)",
    """
    CREATE TABLE outcome (
        id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES round (id),
        hotkey TEXT NOT NULL,
        block INTEGER NOT NULL,
        verdict TEXT NOT NULL,
        value TEXT NOT NULL,
        UNIQUE (round_id, hotkey, block)
    ) STRICT
    """,
    """
    CREATE TABLE receipt (
        outcome_id INTEGER PRIMARY KEY REFERENCES outcome (id),
        validator TEXT NOT NULL,
        document BLOB NOT NULL,
        signature BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE weights (
        sync_block INTEGER PRIMARY KEY,
        extrinsic TEXT,
        value TEXT NOT NULL
    ) STRICT
    """,
)

_WHAT_ENTRIES_ARE_SCORED_WITH = (
    """
    CREATE TABLE environment (
        id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES round (id),
        hotkey TEXT NOT NULL,
        block INTEGER NOT NULL,
        value TEXT NOT NULL,
        UNIQUE (round_id, hotkey, block)
    ) STRICT
    """,
)

_HOW_ROUNDS_BEGAN_AND_WHAT_IS_SAID_OF_THEM = (
    """
    CREATE TABLE statement (
        round_id INTEGER PRIMARY KEY REFERENCES round (id),
        validator TEXT NOT NULL,
        document BLOB NOT NULL,
        signature BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE beginning (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        value TEXT NOT NULL
    ) STRICT
    """,
)

# No table changes, but a state may begin in a new way: older programs would report the new word
# as damage.
_ROUNDS_SCORED_AGAIN: tuple[str, ...] = ()

# Older programs would also report the reason "stalled", or an outcome that waits, as damage.
_TIME_OF_NEWCOMERS = (
    """
    CREATE TABLE newcomer_time (
        competition INTEGER NOT NULL,
        sync_block INTEGER NOT NULL,
        seconds REAL NOT NULL,
        PRIMARY KEY (competition, sync_block)
    ) STRICT
    """,
)
# Plans have the premises of revision 2 of the winner rule, so older programs must not judge the
# open rounds.
# Journalled blocks get the losses of their controls: [[kind, drawn bits, measured bits], ...].
_CONTROLS_AND_SECOND_OPINIONS = (
    "ALTER TABLE journal ADD COLUMN controls TEXT",
    """
    CREATE TABLE opinion (
        id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES round (id),
        hotkey TEXT NOT NULL,
        block INTEGER NOT NULL,
        value TEXT NOT NULL,
        UNIQUE (round_id, hotkey, block)
    ) STRICT
    """,
)
# No table changes, but the content for missed rounds: older programs would use the losses of
# rounds scored later as those of judged rounds.
_ROUNDS_SCORED_LATER: tuple[str, ...] = ()

# The reserve for drawn rows that are odd for the base model, until they have been screened:
# {"cap": ..., "samples": [...]}. An older program would score a round on unscreened rows.
_RESERVES = ("ALTER TABLE draw ADD COLUMN reserve TEXT",)

# No table changes, but plans count the rounds in which the champion did not defend its crown: an
# older program would judge the open rounds without this count.
_MISSED_DEFENCES: tuple[str, ...] = ()

# Journalled blocks of questions with options get their number of right answers, those of generated
# answers their signals.
_RIGHT_ANSWERS = (
    "ALTER TABLE journal ADD COLUMN num_right INTEGER",
    "ALTER TABLE journal ADD COLUMN answers TEXT",
)

# Number n (from 1) migrates a database from version n - 1 to n. Append only.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    _FIRST,
    _WHAT_ENTRIES_ARE_SCORED_WITH,
    _HOW_ROUNDS_BEGAN_AND_WHAT_IS_SAID_OF_THEM,
    _ROUNDS_SCORED_AGAIN,
    _TIME_OF_NEWCOMERS,
    _CONTROLS_AND_SECOND_OPINIONS,
    _ROUNDS_SCORED_LATER,
    _RESERVES,
    _MISSED_DEFENCES,
    _RIGHT_ANSWERS,
)
VERSION = len(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int | None:
    """Return the schema's version: 0 for an empty file, ``None`` for another program's file."""
    application, version = (
        _pragma(connection, "application_id"),
        _pragma(connection, "user_version"),
    )
    if application == APPLICATION_ID:
        return version
    empty = connection.execute("SELECT count(*) = 0 FROM sqlite_schema").fetchone()[0]
    return 0 if empty and application == 0 and version == 0 else None


def migrate(connection: sqlite3.Connection, since: int) -> None:
    """Apply the migrations after version ``since``. The caller holds the transaction."""
    for statements in MIGRATIONS[since:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
