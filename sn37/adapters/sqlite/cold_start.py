"""The beginning of a state, rounds that are recorded in one step, and signed statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from sn37.adapters.sqlite import journal, opinions
from sn37.adapters.sqlite.rounds import (
    finish_round,
    open_round,
    open_round_id,
    unfinish_missed,
)
from sn37.adapters.sqlite.stored import BEGINNING
from sn37.domain.ids import Hotkey, RoundKey
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.records.statement import RoundRecord
from sn37.domain.round.state import Beginning


def begin(db: sqlite3.Connection, beginning: Beginning, records: Sequence[RoundRecord]) -> None:
    taken = db.execute(
        "SELECT EXISTS (SELECT 1 FROM beginning)"
        " OR EXISTS (SELECT 1 FROM round WHERE status != 'frozen')"
    ).fetchone()[0]
    if taken:
        raise ValueError("the state already has rounds or a beginning")
    db.execute("INSERT INTO beginning (value) VALUES (?)", (BEGINNING.dump(beginning),))
    for record in records:
        _take_over(db, record, keep_texts=0)


def record_later(db: sqlite3.Connection, record: RoundRecord, *, keep_texts: int) -> None:
    if record.result.later is None:
        raise ValueError(f"{record.result.key} was not scored later")
    if unfinish_missed(db, record.result.key):
        _take_over(db, record, keep_texts=keep_texts)


def beginning(db: sqlite3.Connection) -> Beginning | None:
    row = db.execute("SELECT value FROM beginning").fetchone()
    return None if row is None else BEGINNING.load(row[0])


def save_statement(db: sqlite3.Connection, round_: RoundKey, statement: SignedReceipt) -> None:
    db.execute(
        "INSERT INTO statement (round_id, validator, document, signature)"
        " SELECT id, ?, ?, ? FROM round WHERE competition = ? AND sync_block = ?",
        (
            statement.hotkey,
            statement.document,
            statement.signature,
            round_.competition,
            round_.sync_block,
        ),
    )


def statement(db: sqlite3.Connection, round_: RoundKey) -> SignedReceipt | None:
    row = db.execute(
        "SELECT document, validator, signature FROM statement JOIN round ON round.id = round_id"
        " WHERE competition = ? AND sync_block = ?",
        (round_.competition, round_.sync_block),
    ).fetchone()
    if row is None:
        return None
    return SignedReceipt(document=row[0], hotkey=Hotkey(row[1]), signature=row[2])


def _take_over(db: sqlite3.Connection, record: RoundRecord, *, keep_texts: int) -> None:
    opened, key = record.opened, record.result.key
    open_round(db, opened.plan)
    for entry, blocks in opened.journal.items():
        for losses in blocks:
            journal.append(db, key, entry, losses)
    for entry, environment in opened.environments.items():
        journal.record_environment(db, key, entry, environment)
    receipts = iter(record.published.receipts)
    for entry, outcome in opened.outcomes.items():
        journal.finish_entry(db, key, outcome, next(receipts) if entry in opened.journal else None)
    for entry, opinion in opened.opinions.items():
        opinions.insert(db, (open_round_id(db, key), entry.hotkey, entry.block), opinion)
    finish_round(db, record.result, keep_texts=keep_texts)
    save_statement(db, key, record.published.statement)
