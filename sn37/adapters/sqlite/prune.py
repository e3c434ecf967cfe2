"""Pruning of old rounds, one round per transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from sn37.adapters.sqlite.stored import PLAN, RESULT
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.round.history import abridged

_OLD = "round.competition = ? AND round.sync_block < ?"
_FINISHED = f"{_OLD} AND round.status = 'finished' AND round.plan NOT NULL"
_IS_FORGOTTEN = "json_extract(round.result, '$.forgotten_at') NOT NULL"


def forget(
    db: sqlite3.Connection,
    *,
    competition: CompetitionId,
    before: Block,
    keep: Collection[EntryKey],
    at: datetime,
) -> Block | None:
    _drop_unopened(db, competition, before)
    kept = frozenset(keep)
    row = db.execute(
        f"SELECT id, sync_block FROM round WHERE {_FINISHED} AND NOT {_IS_FORGOTTEN}"
        " ORDER BY sync_block LIMIT 1",
        (competition, before),
    ).fetchone()
    if row is not None:
        _abridge(db, row[0], at)
    else:
        row = _with_remains(db, competition, before, kept)
    if row is None:
        return None
    _drop_entries(db, row[0], kept)
    return Block(row[1])


def _with_remains(
    db: sqlite3.Connection, competition: CompetitionId, before: Block, kept: frozenset[EntryKey]
) -> tuple[int, int] | None:
    """Return the oldest pruned round with an entry that is no longer to be kept."""
    rows = db.execute(
        "SELECT round.id, round.sync_block, hotkey, block FROM round"
        f" JOIN outcome ON round_id = round.id WHERE {_FINISHED} ORDER BY round.sync_block",
        (competition, before),
    )
    return next(
        ((id_, sync) for id_, sync, h, b in rows if EntryKey(Hotkey(h), Block(b)) not in kept),
        None,
    )


def _abridge(db: sqlite3.Connection, round_id: int, at: datetime) -> None:
    """Shorten plan and result to the parts that rules and audits need; delete the draws."""
    plan, result = db.execute("SELECT plan, result FROM round WHERE id = ?", (round_id,)).fetchone()
    nobody = frozenset[EntryKey]()
    shorter = replace(
        PLAN.load(plan),
        listed=(),
        unreadable=nobody,
        unprobed=nobody,
        screenings=None,
    )
    marked = replace(abridged(RESULT.load(result)), forgotten_at=at)
    db.execute(
        "UPDATE round SET plan = ?, result = ? WHERE id = ?",
        (PLAN.dump(shorter), RESULT.dump(marked), round_id),
    )
    for table in ("draw", "pool", "statement"):  # these could no longer be checked
        db.execute(f"DELETE FROM {table} WHERE round_id = ?", (round_id,))


def _drop_entries(db: sqlite3.Connection, round_id: int, kept: frozenset[EntryKey]) -> None:
    rows = db.execute("SELECT id, hotkey, block FROM outcome WHERE round_id = ?", (round_id,))
    gone = [row for row in rows if EntryKey(Hotkey(row[1]), Block(row[2])) not in kept]
    db.executemany("DELETE FROM receipt WHERE outcome_id = ?", [(id_,) for id_, _, _ in gone])
    for table in ("journal", "environment", "opinion", "outcome"):
        db.executemany(
            f"DELETE FROM {table} WHERE round_id = ? AND hotkey = ? AND block = ?",
            [(round_id, hotkey, block) for _, hotkey, block in gone],
        )


def _drop_unopened(db: sqlite3.Connection, competition: CompetitionId, before: Block) -> None:
    """Delete rounds whose pools were frozen and that this validator then missed."""
    unopened = f"SELECT id FROM round WHERE {_OLD} AND status = 'frozen'"
    db.execute(f"DELETE FROM pool WHERE round_id IN ({unopened})", (competition, before))
    db.execute(f"DELETE FROM round WHERE id IN ({unopened})", (competition, before))
