"""Second opinions in the database, each with the receipt that includes it."""

from __future__ import annotations

import sqlite3

from sn37.adapters.sqlite.rounds import open_round_id
from sn37.adapters.sqlite.stored import OPINION, CodecError
from sn37.domain.ids import Block, EntryKey, Hotkey, RoundKey
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.scoring.opinion import Opinion


def record(
    db: sqlite3.Connection, round_: RoundKey, opinion: Opinion, receipt: SignedReceipt
) -> None:
    place = (open_round_id(db, round_), opinion.key.hotkey, opinion.key.block)
    row = db.execute(
        "SELECT outcome_id FROM receipt JOIN outcome ON outcome.id = outcome_id"
        " WHERE round_id = ? AND hotkey = ? AND block = ?",
        place,
    ).fetchone()
    if row is None:
        raise ValueError(f"{opinion.key} has no receipt")
    if insert(db, place, opinion):
        db.execute(
            "UPDATE receipt SET validator = ?, document = ?, signature = ? WHERE outcome_id = ?",
            (receipt.hotkey, receipt.document, receipt.signature, row[0]),
        )


def insert(db: sqlite3.Connection, place: tuple[int, str, int], opinion: Opinion) -> bool:
    """Record an opinion; return false if there is one already."""
    new = db.execute(
        "INSERT INTO opinion (round_id, hotkey, block, value) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (round_id, hotkey, block) DO NOTHING RETURNING id",
        (*place, OPINION.dump(opinion)),
    ).fetchone()
    return new is not None


def of_round(db: sqlite3.Connection, round_id: int) -> dict[EntryKey, Opinion]:
    """Return the opinions of a round, in the order in which they were recorded."""
    rows = db.execute(
        "SELECT hotkey, block, value FROM opinion WHERE round_id = ? ORDER BY id", (round_id,)
    )
    found = {EntryKey(Hotkey(h), Block(b)): OPINION.load(value) for h, b, value in rows}
    for key, opinion in found.items():
        if opinion.key != key:
            raise CodecError(f"an opinion on {opinion.key} is stored under {key}")
    return found


def of_entry(db: sqlite3.Connection, entry: EntryKey) -> dict[Block, Opinion]:
    rows = db.execute(
        "SELECT sync_block, value FROM opinion JOIN round ON round.id = round_id"
        " WHERE hotkey = ? AND block = ? ORDER BY sync_block",
        (entry.hotkey, entry.block),
    )
    return {Block(sync_block): OPINION.load(value) for sync_block, value in rows}
