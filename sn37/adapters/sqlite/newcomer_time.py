"""Scoring time of the entries with limited time in the newest rounds."""

from __future__ import annotations

import math
import sqlite3

from sn37.adapters.sqlite.stored import CodecError
from sn37.domain.ids import Block, CompetitionId, RoundKey
from sn37.domain.round.newcomers import TIMED_ROUNDS


def record(db: sqlite3.Connection, round_: RoundKey, seconds: float) -> None:
    """Insert or replace one round's seconds; delete those of old rounds."""
    db.execute(
        "INSERT INTO newcomer_time (competition, sync_block, seconds) VALUES (?, ?, ?)"
        " ON CONFLICT (competition, sync_block) DO UPDATE SET seconds = excluded.seconds",
        (round_.competition, round_.sync_block, seconds),
    )
    db.execute(
        "DELETE FROM newcomer_time WHERE rowid NOT IN (SELECT rowid FROM newcomer_time"
        " ORDER BY sync_block DESC, competition DESC LIMIT ?)",
        (TIMED_ROUNDS,),
    )


def read(db: sqlite3.Connection) -> dict[RoundKey, float]:
    """Return the seconds of all recorded rounds, the oldest first.

    Raises:
        CodecError: A value is not a time.
    """
    rows = db.execute(
        "SELECT competition, sync_block, seconds FROM newcomer_time"
        " ORDER BY sync_block, competition"
    )
    found = {RoundKey(CompetitionId(c), Block(b)): seconds for c, b, seconds in rows}
    for key, seconds in found.items():
        if not 0 <= seconds < math.inf:
            raise CodecError(f"newcomers of {key} were scored for {seconds} s")
    return found
